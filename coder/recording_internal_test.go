package coder

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// recording is one exchange with a real server.
type recording struct {
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
	Text        string
	CloseCode   int    `json:"close_code"`
	CloseReason string `json:"close_reason"`
}

const recordedToken = "FAKE123456-FAKEabcdefabcdefabcdef"

var recordingSets = []string{"recordings-2.26", "recordings-2.37"}

// loadRecordings reads a set, by name.
func loadRecordings(t testing.TB, set string) map[string]*recording {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", set, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string]*recording{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var r recording
		require.NoError(t, json.Unmarshal(data, &r), file)
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = &r
	}
	return all
}

// messages are the whole messages and events that the server sent.
func (r *recording) messages() []string {
	out := slices.Clone(r.Events)
	text := ""
	for _, f := range r.Frames {
		if f.Dir != "server->client" || f.Opcode != "text" && f.Opcode != "continuation" {
			continue
		}
		text += f.Text
		if f.Fin {
			out, text = append(out, text), ""
		}
	}
	return out
}

// serverCloses reports whether the server ended the stream by itself.
func (r *recording) serverCloses() bool {
	for _, f := range r.Frames {
		if f.Opcode == "close" {
			return f.Dir == "server->client"
		}
	}
	return false
}

// streamed are the values in the messages of a stream. It shares nothing with
// what it checks.
func streamed(r *recording) ([]any, error) {
	out := []any{}
	for _, m := range r.messages() {
		if data, ok := strings.CutPrefix(m, "event: data\ndata: "); ok {
			m = `{"type":"data","data":` + data + `}`
		} else if strings.HasPrefix(m, "event: ") {
			continue
		}
		var v any
		if err := json.Unmarshal([]byte(m), &v); err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case []any:
			out = append(out, v...)
		case map[string]any:
			if kind, ok := v["type"]; !ok {
				out = append(out, v)
			} else if kind == "data" {
				out = append(out, v["data"])
			}
		}
	}
	return out, nil
}

// body is the answer's body as it was on the wire.
func (r *recording) body() []byte {
	if len(r.Response.Body) == 0 || string(r.Response.Body) == "null" && !strings.Contains(r.header("Content-Type"), "json") {
		return nil
	}
	var text string
	if bytes.HasPrefix(r.Response.Body, []byte(`"`)) && json.Unmarshal(r.Response.Body, &text) == nil {
		return []byte(text)
	}
	return append(bytes.Clone(r.Response.Body), '\n')
}

func (r *recording) header(name string) string {
	for _, h := range r.Response.Headers {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

// replay is a server that gives the recorded answer, and checks that it was
// asked what was recorded.
func replay(t *testing.T, r *recording) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		want, err := url.Parse(r.Request.Path)
		if err != nil || req.Method != r.Request.Method || req.URL.EscapedPath() != want.EscapedPath() {
			t.Errorf("asked %s %s, the recording has %s %s", req.Method, req.URL, r.Request.Method, r.Request.Path)
		}
		if got := req.Header.Get(sessionHeader); got != "" && got != recordedToken {
			t.Errorf("sent the token %q", got)
		}
		if r.Response.Status == http.StatusSwitchingProtocols {
			replayFrames(t, w, req, r)
			return
		}
		for _, h := range r.Response.Headers {
			if !slices.Contains([]string{"Connection", "Upgrade", "Content-Length", "Transfer-Encoding"}, h[0]) {
				w.Header().Add(h[0], h[1])
			}
		}
		w.WriteHeader(r.Response.Status)
		_, _ = w.Write(r.body())
		for _, event := range r.Events {
			_, _ = io.WriteString(w, event+"\n\n")
		}
	}))
	t.Cleanup(server.Close)
	c, err := New(Config{URL: server.URL, Token: recordedToken, MaxRetries: -1, MaxRateLimitWait: -1})
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// replayFrames upgrades and sends the recorded frames bit by bit, with the
// fragmentation of the recording.
func replayFrames(t *testing.T, w http.ResponseWriter, req *http.Request, r *recording) {
	if req.Header.Get("Sec-Websocket-Extensions") != "" {
		t.Error("the client offers an extension")
	}
	conn, err := (&websocket.Upgrader{}).Upgrade(w, req, nil)
	if err != nil {
		t.Error(err)
		return
	}
	raw := conn.NetConn()
	defer func() { _ = raw.Close() }()
	out := bufio.NewWriter(raw)
	opcodes := map[string]byte{"continuation": 0, "text": 1, "binary": 2, "close": 8, "ping": 9}
	for _, f := range r.Frames {
		code, ok := opcodes[f.Opcode]
		if f.Dir != "server->client" || !ok || f.Opcode == "close" && !r.serverCloses() {
			continue
		}
		payload := []byte(f.Text)
		if f.Opcode == "close" && f.CloseCode != 0 {
			payload = append(binary.BigEndian.AppendUint16(nil, uint16(f.CloseCode)), f.CloseReason...)
		}
		if f.Fin {
			code |= 0x80
		}
		_ = out.WriteByte(code)
		switch n := len(payload); {
		case n < 126:
			_ = out.WriteByte(byte(n))
		case n < 1<<16:
			_, _ = out.Write(binary.BigEndian.AppendUint16([]byte{126}, uint16(n)))
		default:
			_, _ = out.Write(binary.BigEndian.AppendUint64([]byte{127}, uint64(n)))
		}
		_, _ = out.Write(payload)
	}
	_ = out.Flush()
	_, _ = io.Copy(io.Discard, raw) // until the client hangs up
}
