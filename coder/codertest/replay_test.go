package codertest

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// recording is one exchange with a real deployment.
type recording struct {
	id      string // its number, with a letter in some
	Name    string
	Request struct {
		Method  string
		Path    string
		Headers map[string]string
		Body    json.RawMessage
	}
	Response struct {
		Status  int
		Headers [][2]string
		Body    json.RawMessage
	}
	Frames []recordedFrame
	Events []string
}

type recordedFrame struct {
	Dir         string
	Opcode      string
	Fin         bool
	Len         int
	Text        string
	CloseCode   int    `json:"close_code"`
	CloseReason string `json:"close_reason"`
}

func (r *recording) socket() bool {
	return r.Request.Headers["Upgrade"] != ""
}

// The recordings of the older version that clients are tested with too are where
// the client is.
var (
	newRecordings = []string{"testdata/recordings"}
	oldRecordings = []string{"../testdata/recordings-2.26", "testdata/recordings-2.26"}
)

func loadRecordings(t *testing.T, folders []string) []*recording {
	var files []string
	for _, folder := range folders {
		some, err := filepath.Glob(folder + "/*.json")
		require.NoError(t, err)
		require.NotEmpty(t, some)
		files = append(files, some...)
	}
	var all []*recording
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		r := &recording{}
		require.NoError(t, json.Unmarshal(data, r), file)
		r.id, _, _ = strings.Cut(filepath.Base(file), "_")
		all = append(all, r)
	}
	return all
}

// unsupported reads which recordings are not held to, and why.
func unsupported(t *testing.T, file string) map[string]string {
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	out := map[string]string{}
	for _, line := range strings.Split(string(data), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, reason, _ := strings.Cut(line, " ")
		require.NotEmpty(t, strings.TrimSpace(reason), "%s needs a reason", id)
		require.NotContains(t, out, id)
		out[id] = reason
	}
	return out
}

// replayer tells a deployment the whole story of the recordings.
type replayer struct {
	t      *testing.T
	s      *Server
	ids    map[string]string // recorded to ours
	client *http.Client
	signed string            // the last token for an app
	twins  map[string]string // the IDs of the story, which is written for the newer version
	all    []*recording
}

// TestTheDeploymentAnswersAsARealOneDid replays every recording, in an order
// that makes sense, against one deployment.
func TestTheDeploymentAnswersAsARealOneDid(t *testing.T) {
	replay(t, "v2.37.0-devel+c9a1e2bce", loadRecordings(t, newRecordings), nil, "testdata/unsupported.txt")
}

func TestTheDeploymentAnswersAsAnOlderOneDid(t *testing.T) {
	all := loadRecordings(t, oldRecordings)
	same := twins(loadRecordings(t, newRecordings), all)
	for ours, theirs := range map[string]string{
		"after=381": "after=317", "after=384": "after=319", "ED2TDX6tX9": "buMrr6VKId", "Wy9PyGOwJs": "eUxqvIPXdX",
	} {
		same[ours] = theirs // what no pattern finds
	}
	replay(t, "v2.26.0-devel+f80a7ca04", all, same, "testdata/unsupported-2.26.txt")
}

func replay(t *testing.T, version string, all []*recording, twins map[string]string, exceptions string) {
	s, err := newServer(Config{BuildTime: Fixed(buildTime), Provisioners: 2, PingInterval: 500 * time.Millisecond, Version: version, clock: atNoon}, newState(1), nil)
	require.NoError(t, err)
	defer s.Close()
	rp := &replayer{t: t, s: s, ids: map[string]string{}, twins: twins, all: all, client: &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	defer rp.client.CloseIdleConnections()
	missing := unsupported(t, exceptions)
	slices.SortStableFunc(all, func(a, b *recording) int { return strings.Compare(chapter(a.id), chapter(b.id)) })
	passed, seen := 0, map[string]bool{}
	for _, r := range all {
		rp.prepare(r.id)
		problems := rp.play(r)
		reason, listed := missing[r.id]
		switch {
		case len(problems) == 0 && listed:
			t.Errorf("%s passes, though %s says: %s", r.Name, exceptions, reason)
		case len(problems) > 0 && !listed:
			t.Errorf("%s %s %s:\n\t%s", r.Name, r.Request.Method, r.Request.Path, strings.Join(problems, "\n\t"))
		case len(problems) == 0:
			passed++
		}
		seen[r.id] = true
	}
	for id := range missing {
		if !seen[id] {
			t.Errorf("%s has %s, which does not exist", exceptions, id)
		}
	}
	t.Logf("%d of %d recordings", passed, len(all))
	require.GreaterOrEqual(t, passed, 390)
}

// play sends what was sent and compares what comes back.
func (rp *replayer) play(r *recording) []string {
	if hidden := hiddenTokens[r.id]; hidden != "" {
		r.Request.Headers["Coder-Session-Token"] = rp.own(hidden)
	}
	if r.socket() {
		return rp.playSocket(r)
	}
	req, err := http.NewRequest(r.Request.Method, rp.s.URL()+rp.ours(r.Request.Path), rp.body(r))
	if err != nil {
		return []string{err.Error()}
	}
	for k, v := range r.Request.Headers {
		req.Header.Set(k, rp.ours(v))
	}
	resp, err := rp.client.Do(req)
	if err != nil {
		return []string{err.Error()}
	}
	defer resp.Body.Close()
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return rp.compareEvents(r, resp)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return []string{err.Error()}
	}
	return rp.compare(r, resp, body)
}

// hiddenTokens are those that the recorder left out.
var hiddenTokens = map[string]string{
	"520": "FAKEe5daa1-FAKE92e764eff00bc72b2a",
	"521": "FAKEe5daa1-FAKE92e764eff00bc72b2a",
	"522": "FAKE9c20de-FAKEb192abe2f63b808bcd",
}

var bodySize = regexp.MustCompile(`^"<(\d+) bytes`)

// body is the recorded one. Of those that are no JSON only the size is known,
// and what the server said of them.
func (rp *replayer) body(r *recording) io.Reader {
	b := string(r.Request.Body)
	if m := bodySize.FindStringSubmatch(b); m != nil {
		switch m[1] {
		case "9":
			return strings.NewReader("{not json")
		case "1":
			return strings.NewReader("{")
		}
		return strings.NewReader(`{"checks":{},"more":"` + strings.Repeat("x", 5<<20) + `"}`)
	}
	if b == "null" || b == "" {
		return nil
	}
	return strings.NewReader(rp.ours(b))
}

// own is the ID that the recordings have for one of the story.
func (rp *replayer) own(id string) string {
	if twin := rp.twins[id]; twin != "" {
		return twin
	}
	return id
}

// known is what we have for an ID of the story.
func (rp *replayer) known(id string) string { return rp.ids[rp.own(id)] }

// twins pairs the IDs of recordings that were made in the same way.
func twins(from, to []*recording) map[string]string {
	out := map[string]string{}
	pair := func(a, b string) {
		as, bs := idPattern.FindAllString(a, -1), idPattern.FindAllString(b, -1)
		for i := range min(len(as), len(bs)) {
			if _, known := out[as[i]]; !known && len(as) == len(bs) {
				out[as[i]] = bs[i]
			}
		}
	}
	var walk func(a, b any)
	walk = func(a, b any) {
		switch a := a.(type) {
		case string:
			if b, ok := b.(string); ok {
				pair(a, b)
			}
		case map[string]any:
			if b, ok := b.(map[string]any); ok {
				for k, v := range a {
					walk(v, b[k])
				}
			}
		case []any:
			if b, ok := b.([]any); ok {
				for i := range min(len(a), len(b)) {
					walk(a[i], b[i])
				}
			}
		}
	}
	byName := map[string]*recording{}
	for _, r := range to {
		byName[r.Name] = r
	}
	for _, a := range from {
		b := byName[a.Name]
		if b == nil {
			continue
		}
		pair(a.Request.Path, b.Request.Path)
		for name, v := range a.Request.Headers {
			pair(v, b.Request.Headers[name])
		}
		pair(string(a.Request.Body), string(b.Request.Body))
		var left, right any
		if json.Unmarshal(a.Response.Body, &left) == nil && json.Unmarshal(b.Response.Body, &right) == nil {
			walk(left, right)
		}
	}
	return out
}

// recordedHost is where the recorded server was.
var recordedHost = regexp.MustCompile(`127\.0\.0\.1:39(00|26)`)

var idPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|FAKE\w{6}-FAKE\w{18}`)

// ours replaces what was recorded by what it is here.
func (rp *replayer) ours(s string) string {
	s = recordedHost.ReplaceAllString(s, strings.TrimPrefix(rp.s.URL(), "http://"))
	for from, to := range rp.ids {
		if !idPattern.MatchString(from) {
			s = strings.ReplaceAll(s, from, to)
		}
	}
	return idPattern.ReplaceAllStringFunc(s, func(id string) string {
		if to, ok := rp.ids[id]; ok {
			return to
		}
		return id
	})
}
