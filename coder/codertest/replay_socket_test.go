package codertest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// rawSocket sees frames as they are.
type rawSocket struct {
	conn   net.Conn
	r      *bufio.Reader
	output []byte   // of binary frames
	texts  []string // of whole text messages
	shapes []string // how these were cut into frames
	part   string
	shape  string
	code   int // of the close frame
	reason string
	ended  bool
	silent bool // it does not answer pings
}

// recordedPort is where the recorded server had its relay.
var recordedPort = regexp.MustCompile(`"DERPPort":39\d\d`)

var opcodes = map[string]byte{"continuation": 0, "text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}

func (rp *replayer) dial(r *recording) (*rawSocket, *http.Response, []byte, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(rp.s.URL(), "http://"))
	if err != nil {
		return nil, nil, nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, nil, nil, err
	}
	req, err := http.NewRequest(http.MethodGet, rp.s.URL()+rp.ours(r.Request.Path), nil)
	if err != nil {
		return nil, nil, nil, err
	}
	for k, v := range r.Request.Headers {
		req.Header.Set(k, rp.ours(v))
	}
	req.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	if err := req.Write(conn); err != nil {
		return nil, nil, nil, err
	}
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, req)
	if err != nil {
		return nil, nil, nil, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return &rawSocket{conn: conn, r: br}, resp, nil, nil
	}
	defer conn.Close()
	body, err := io.ReadAll(resp.Body)
	return nil, resp, body, err
}

func (ws *rawSocket) send(opcode byte, payload []byte) error {
	b := []byte{0x80 | opcode}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	_, err := ws.conn.Write(append(append(b, 0, 0, 0, 0), payload...))
	return err
}

// read takes one frame.
func (ws *rawSocket) read() error {
	var h [2]byte
	if _, err := io.ReadFull(ws.r, h[:]); err != nil {
		ws.ended = true
		return err
	}
	n := uint64(h[1])
	switch n {
	case 126:
		var b [2]byte
		if _, err := io.ReadFull(ws.r, b[:]); err != nil {
			return err
		}
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		if _, err := io.ReadFull(ws.r, b[:]); err != nil {
			return err
		}
		n = binary.BigEndian.Uint64(b[:])
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(ws.r, payload); err != nil {
		return err
	}
	switch op := h[0] & 0x0f; op {
	case 0, 1:
		ws.part += string(payload)
		ws.shape += fmt.Sprint(op, h[0]&0x80 != 0, " ")
		if h[0]&0x80 != 0 {
			ws.texts, ws.shapes = append(ws.texts, ws.part), append(ws.shapes, ws.shape)
			ws.part, ws.shape = "", ""
		}
	case 2:
		ws.output = append(ws.output, payload...)
	case 8:
		ws.ended = true
		if len(payload) >= 2 {
			ws.code, ws.reason = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
		}
	case 9:
		if !ws.silent {
			return ws.send(10, payload)
		}
	}
	return nil
}

// playSocket sends what the client sent, each time after what the server had
// sent until then, and compares the sum.
func (rp *replayer) playSocket(r *recording) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	ws, resp, body, err := rp.dial(r)
	if err != nil {
		return []string{err.Error()}
	}
	if ws == nil {
		return rp.compare(r, resp, body)
	}
	defer ws.conn.Close()
	ws.silent = r.id == "524" || r.id >= "462" && r.id <= "466"
	if r.Response.Status != resp.StatusCode {
		return []string{fmt.Sprintf("status %d, want %d", resp.StatusCode, r.Response.Status)}
	}
	rp.compareHeaders(r, resp.Header, bad)
	var output []byte
	var texts, shapes []string
	part, shape := "", ""
	code, reason, closedBy := 0, "", ""
	for _, f := range r.Frames {
		if f.Dir == "client->server" {
			if f.Opcode == "pong" {
				continue
			}
			for len(ws.output) < len(output) || len(texts) > 0 && len(ws.texts) == 0 {
				if err := ws.read(); err != nil {
					bad("after %q: %v", tail(ws.output), err)
					return problems
				}
			}
			payload := []byte(rp.ours(clientText(f)))
			if f.Opcode == "close" {
				payload = []byte{0x03, 0xe8}
				closedBy = "client"
			}
			if err := ws.send(opcodes[f.Opcode], payload); err != nil {
				bad("%v", err)
			}
			continue
		}
		switch f.Opcode {
		case "binary":
			output = append(output, f.Text...)
		case "text", "continuation":
			part += f.Text
			shape += fmt.Sprint(opcodes[f.Opcode], f.Fin, " ")
			if f.Fin {
				texts, shapes = append(texts, part), append(shapes, shape)
				part, shape = "", ""
			}
		case "close":
			code, reason = f.CloseCode, f.CloseReason
			if closedBy == "" {
				closedBy = "server"
			}
		}
	}
	for err == nil && !ws.ended && (closedBy != "" || len(ws.output) < len(output) || len(ws.texts) < min(len(texts), 1)) {
		err = ws.read()
	}
	if err != nil && closedBy != "" {
		bad("no close: %v", err)
	}
	if ws.code != code || ws.reason != reason {
		bad("close %d %q, want %d %q", ws.code, ws.reason, code, reason)
	}
	if _, port, found := strings.Cut(rp.s.URL()[len("http://"):], ":"); found {
		output = recordedPort.ReplaceAll(output, []byte(`"DERPPort":`+port))
	}
	if !bytes.Equal(output, ws.output) && !strings.Contains(string(output), "clipped") {
		bad("output %q, want %q", ws.output, output)
	}
	rp.compareTexts(ws, texts, shapes, bad)
	return problems
}

func clientText(f recordedFrame) string {
	if strings.HasSuffix(f.Text, "[clipped]") {
		return `{"data":"` + strings.Repeat("x", 40_000) + `"}`
	}
	return f.Text
}

func tail(b []byte) []byte { return b[max(0, len(b)-200):] }

// compareTexts compares the first message of each kind, and how messages are
// cut.
func (rp *replayer) compareTexts(ws *rawSocket, texts, shapes []string, bad func(string, ...any)) {
	if (len(texts) == 0) != (len(ws.texts) == 0) {
		bad("%d messages, want %d", len(ws.texts), len(texts))
		return
	}
	for i := range min(len(texts), len(ws.texts), 2) {
		if ws.shapes[i] != shapes[i] {
			bad("message %d comes as %s, want %s", i, ws.shapes[i], shapes[i])
		}
		var want, got any
		if err := json.Unmarshal([]byte(texts[i]), &want); err != nil {
			continue // the recording was cut
		}
		if err := json.Unmarshal([]byte(ws.texts[i]), &got); err != nil {
			bad("%v in %q", err, ws.texts[i])
			continue
		}
		rp.compareJSON("", want, got, bad)
	}
}
