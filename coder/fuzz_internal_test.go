package coder

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func FuzzErrorBody(f *testing.F) {
	for _, set := range recordingSets {
		for _, r := range loadRecordings(f, set) {
			if r.Response.Status >= 400 {
				f.Add(r.Response.Status, r.header("Content-Type"), r.body())
			}
		}
	}
	f.Add(502, "", []byte("<TITLE x>\xff</TITLE>"))
	f.Add(500, "text/html", []byte("<title"))
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte) {
		e := classifyBody(status, contentType, body)
		if e.Message == "" {
			t.Fatal("an error must say something")
		}
		text := e.Error()
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\n\r\x1b") {
			t.Fatalf("not one clean line: %q", text)
		}
		for _, kind := range []func(error) bool{IsNotFound, IsAgentUnreachable, IsUnsupported, IsInvalid} {
			_ = kind(e)
		}
	})
}

func FuzzServerSentEvents(f *testing.F) {
	for _, set := range recordingSets {
		for _, r := range loadRecordings(f, set) {
			if len(r.Events) > 0 {
				f.Add([]byte(strings.Join(r.Events, "\n\n") + "\n\n"))
			}
		}
	}
	f.Add([]byte("data:a\r\ndata: b\n\nevent\n\n:c\n\nid: 4\n\ndata: cut"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		var whole, bits []message
		if err := readEvents(bytes.NewReader(stream), func(m message) { whole = append(whole, m) }); err != nil {
			return // one line is longer than a message may be
		}
		// How the network cuts the stream must not matter.
		err := readEvents(iotest.OneByteReader(bytes.NewReader(stream)), func(m message) { bits = append(bits, m) })
		require.NoError(t, err)
		require.Equal(t, whole, bits)
		for _, m := range whole {
			_, _, _ = decodeEvent[Workspace](m)
		}
	})
}

func FuzzLogMessages(f *testing.F) {
	for _, set := range recordingSets {
		for _, r := range loadRecordings(f, set) {
			for i, m := range r.messages() {
				if i < 3 {
					f.Add([]byte(m))
				}
			}
		}
	}
	f.Add([]byte(`[{"id":1}]{"id":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		builds, err := decodeLogs[ProvisionerLog](data)
		if err == nil && len(builds) > 0 {
			again, err := json.Marshal(builds)
			require.NoError(t, err)
			same, err := decodeLogs[ProvisionerLog](again)
			require.NoError(t, err)
			require.Len(t, same, len(builds))
		}
		_, _ = decodeLogs[AgentLog](data)
		_, _, _ = decodeEvent[[]AgentMetadata](message{data: data})
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"60", "0", "-1", "", "99999999999999999999", "9223372036854775807", "Fri, 31 Dec 1999 23:59:59 GMT", "soon"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		d := retryAfter(http.Header{"Retry-After": {value}})
		if d < 0 || d > longestRetryAfter {
			t.Fatalf("%q means %v", value, d)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"/api/v2/x?q=a:b", "/", "/a%2Fb", "//h", "/..", "/a/../b", "/%zz", "http://x/"} {
		f.Add(s)
	}
	c, err := New(Config{URL: "https://coder.test/base"})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, path string) {
		segments, query, err := splitPath(path)
		if err != nil {
			return
		}
		u, err := c.resolve(segments, query)
		if err != nil {
			return
		}
		if u.Host != "coder.test" || !strings.HasPrefix(u.EscapedPath(), "/base") {
			t.Fatalf("%q leaves the deployment: %s", path, u)
		}
	})
}

func FuzzVersion(f *testing.F) {
	for _, s := range []string{"v2.37.0-devel+c9a1e2bce", "v0.0.0", "2.1", "v99999999999.1.1", ""} {
		f.Add(s, "1.18")
	}
	f.Fuzz(func(t *testing.T, version, api string) {
		v, ok := BuildInfo{Version: version, ProvisionerAPIVersion: api}.Semver()
		if v.Major < 0 || v.Minor < 0 || v.Patch < 0 || !ok && v != (Semver{}) {
			t.Fatalf("%q means %v", version, v)
		}
	})
}

// FuzzWorkspace feeds the largest type, which contains most others.
func FuzzWorkspace(f *testing.F) {
	for _, set := range recordingSets {
		for _, r := range loadRecordings(f, set) {
			if strings.HasPrefix(r.Request.Path, "/api/v2/workspaces/") && r.Response.Status == http.StatusOK {
				f.Add(r.body())
			}
		}
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		var w Workspace
		if json.Unmarshal(data, &w) != nil {
			return
		}
		for _, a := range w.Agents() {
			_ = a.Ready()
		}
		_ = w.LatestBuild.Done()
		_ = (&JobError{Job: w.LatestBuild.Job}).Error()
	})
}
