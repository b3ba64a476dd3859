package codertest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// compare holds an answer to the recorded one.
func (rp *replayer) compare(r *recording, resp *http.Response, body []byte) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if resp.StatusCode != r.Response.Status {
		bad("status %d, want %d: %.300s", resp.StatusCode, r.Response.Status, body)
		return problems
	}
	rp.compareHeaders(r, resp.Header, bad)
	var want any
	if err := json.Unmarshal(r.Response.Body, &want); err != nil {
		return problems // there is none
	}
	switch text, isText := want.(string); {
	case isText && strings.Contains(text, "<title>"):
		if w, g := title(text), title(string(body)); w != g {
			bad("title %q, want %q", g, w)
		}
	case isText && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain; version"), isText && len(text) > 1000:
		// Only the kind of text matters.
	case isText:
		if w, g := rp.normal(rp.ours(text)), rp.normal(string(body)); w != g {
			bad("body %q, want %q", g, w)
		}
	case want == nil:
		if text := strings.TrimSpace(string(body)); text != "" && text != "null" {
			bad("body %q, want none", body)
		}
	default:
		var got any
		if err := json.Unmarshal(body, &got); err != nil {
			bad("%v in %q", err, body)
			return problems
		}
		rp.compareJSON("", want, got, bad)
	}
	return problems
}

var titlePattern = regexp.MustCompile(`<title>([^<]*)</title>`)

func title(s string) string {
	if m := titlePattern.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return ""
}

var timePattern = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(Z| \+0000 UTC)`)

// normal takes away what is never the same.
func (rp *replayer) normal(s string) string {
	return strings.TrimSpace(timePattern.ReplaceAllString(s, "TIME"))
}

// exactHeaders are compared by value, after mapping, the others by presence.
var exactHeaders = []string{"Content-Type", "Location", "Retry-After", "Www-Authenticate", "X-Ratelimit-Limit", "X-Content-Type-Options", "Upgrade", "Cache-Control"}

func (rp *replayer) compareHeaders(r *recording, got http.Header, bad func(string, ...any)) {
	want := http.Header{}
	for _, kv := range r.Response.Headers {
		want.Add(kv[0], kv[1])
	}
	for _, name := range exactHeaders {
		w, g := rp.ours(want.Get(name)), got.Get(name)
		if w != g {
			bad("header %s is %q, want %q", name, g, w)
		}
	}
	for _, name := range []string{"X-Coder-Build-Version", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
		if (want.Get(name) == "") != (got.Get(name) == "") {
			bad("header %s is %q, want %q", name, got.Get(name), want.Get(name))
		}
	}
	if w, g := rp.cookies(want), rp.cookies(got); !slices.Equal(w, g) {
		bad("cookies %v, want %v", g, w)
	}
}

// cookies are names and paths.
func (rp *replayer) cookies(h http.Header) []string {
	var out []string
	for _, c := range (&http.Response{Header: h}).Cookies() {
		if c.Name == signedCookie && !strings.HasPrefix(c.Value, "FAKE") {
			rp.signed = c.Value
		}
		out = append(out, c.Name+" "+rp.ours(c.Path))
	}
	slices.Sort(out)
	return out
}

// exactKeys are compared by value wherever they are.
var exactKeys = []string{"message", "detail", "validations", "field", "status", "transition", "lifecycle_state", "reason", "username", "login_type", "scope", "count", "build_number", "queue_position", "healthy", "name", "slug", "roles"}

// compareJSON compares keys and types, the first elements of arrays, and the
// values of some keys. On the way it learns which ID is which.
func (rp *replayer) compareJSON(at string, want, got any, bad func(string, ...any)) {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			bad("%s is %T, want an object", at, got)
			return
		}
		for key, value := range w {
			ourKey := rp.ours(key)
			if v, ok := g[ourKey]; ok {
				rp.compareJSON(at+"."+key, value, v, bad)
			} else {
				bad("%s.%s is missing", at, key)
			}
			delete(g, ourKey)
		}
		for key := range g {
			bad("%s.%s should not be there", at, key)
		}
	case []any:
		g, ok := got.([]any)
		if !ok {
			bad("%s is %T, want an array", at, got)
			return
		}
		if (len(w) == 0) != (len(g) == 0) {
			bad("%s has %d elements, want %d", at, len(g), len(w))
		}
		exact := slices.Contains(exactKeys, lastKey(at))
		if exact && len(w) != len(g) {
			bad("%s has %d elements, want %d", at, len(g), len(w))
		}
		for i := range min(len(w), len(g)) {
			if i == 0 || exact {
				rp.compareJSON(at+"[]", w[i], g[i], bad)
			}
		}
	default:
		rp.compareValue(at, want, got, bad)
	}
}

func lastKey(at string) string {
	return strings.TrimSuffix(at[strings.LastIndexByte(at, '.')+1:], "[]")
}

func (rp *replayer) compareValue(at string, want, got any, bad func(string, ...any)) {
	if w, g := fmt.Sprintf("%T", want), fmt.Sprintf("%T", got); w != g {
		bad("%s is %v (%s), want %v (%s)", at, got, g, want, w)
		return
	}
	if w, ok := want.(string); ok {
		rp.learn(w, got.(string))
		want, got = rp.normal(rp.ours(w)), rp.normal(got.(string))
	}
	if slices.Contains(exactKeys, lastKey(at)) && want != got && !generated(at) {
		bad("%s is %v, want %v", at, got, want)
	}
}

// generated reports whether a name was made up by the server.
func generated(at string) bool {
	return strings.HasSuffix(at, "version_name") || strings.HasPrefix(at, ".job") || at == ".name" || at == "[].name"
}

// learn notes that a recorded ID is this one here.
func (rp *replayer) learn(recorded, ours string) {
	if _, known := rp.ids[recorded]; known || recorded == ours || !idPattern.MatchString(recorded) || idPattern.FindString(recorded) != recorded {
		return
	}
	if strings.HasPrefix(recorded, "0000") || strings.Count(recorded, "-") != strings.Count(ours, "-") {
		return
	}
	rp.ids[recorded] = ours
}

// compareEvents reads as many server-sent events as it takes to see each kind
// that was recorded first.
func (rp *replayer) compareEvents(r *recording, resp *http.Response) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if resp.StatusCode != r.Response.Status {
		bad("status %d, want %d", resp.StatusCode, r.Response.Status)
	}
	rp.compareHeaders(r, resp.Header, bad)
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for _, event := range r.Events[:min(2, len(r.Events))] {
		want, _, _ := strings.Cut(event, "\n")
		found := false
		for !found && lines.Scan() {
			found = strings.HasPrefix(lines.Text(), want)
		}
		if !found {
			bad("no %q: %v", want, lines.Err())
		}
	}
	return problems
}
