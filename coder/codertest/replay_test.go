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

func loadRecordings(t *testing.T) []*recording {
	files, err := filepath.Glob("testdata/recordings/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
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
func unsupported(t *testing.T) map[string]string {
	data, err := os.ReadFile("testdata/unsupported.txt")
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
	signed string // the last token for an app
}

// TestTheDeploymentAnswersAsARealOneDid replays every recording, in an order
// that makes sense, against one deployment.
func TestTheDeploymentAnswersAsARealOneDid(t *testing.T) {
	s, err := newServer(Config{BuildTime: Fixed(buildTime), Provisioners: 2, PingInterval: 500 * time.Millisecond, Version: "v2.37.0-devel+c9a1e2bce"}, newState(1), nil)
	require.NoError(t, err)
	defer s.Close()
	rp := &replayer{t: t, s: s, ids: map[string]string{}, client: &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	defer rp.client.CloseIdleConnections()
	missing := unsupported(t)
	all := loadRecordings(t)
	slices.SortStableFunc(all, func(a, b *recording) int { return strings.Compare(chapter(a.id), chapter(b.id)) })
	passed := 0
	for _, r := range all {
		rp.prepare(r.id)
		problems := rp.play(r)
		reason, listed := missing[r.id]
		switch {
		case len(problems) == 0 && listed:
			t.Errorf("%s passes, though unsupported.txt says: %s", r.Name, reason)
		case len(problems) > 0 && !listed:
			t.Errorf("%s %s %s:\n\t%s", r.Name, r.Request.Method, r.Request.Path, strings.Join(problems, "\n\t"))
		case len(problems) == 0:
			passed++
		}
		delete(missing, r.id)
	}
	for id := range missing {
		t.Errorf("unsupported.txt has %s, which does not exist or was listed for two", id)
	}
	t.Logf("%d of %d recordings", passed, len(all))
	require.GreaterOrEqual(t, passed, 150)
}

// play sends what was sent and compares what comes back.
func (rp *replayer) play(r *recording) []string {
	if hidden := hiddenTokens[r.id]; hidden != "" {
		r.Request.Headers["Coder-Session-Token"] = hidden
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
		return strings.NewReader(`"` + strings.Repeat("x", 5<<20) + `"`)
	}
	if b == "null" || b == "" {
		return nil
	}
	return strings.NewReader(rp.ours(b))
}

// recordedHost is where the recorded server was.
const recordedHost = "127.0.0.1:3900"

var idPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|FAKE\w{6}-FAKE\w{18}`)

// ours replaces what was recorded by what it is here.
func (rp *replayer) ours(s string) string {
	s = strings.ReplaceAll(s, recordedHost, strings.TrimPrefix(rp.s.URL(), "http://"))
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
