package codertest

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// mayUpgrade answers requests that are no WebSocket handshake, or that come from
// a foreign page. It reports whether the handshake goes on.
func (c *call) mayUpgrade() bool {
	r := c.r
	if !hasToken(r.Header, "Connection", "upgrade") {
		return c.noUpgrade(http.StatusUpgradeRequired, fmt.Sprintf("WebSocket protocol violation: Connection header %q does not contain Upgrade", r.Header.Get("Connection")))
	}
	if !hasToken(r.Header, "Upgrade", "websocket") {
		return c.noUpgrade(http.StatusUpgradeRequired, fmt.Sprintf("WebSocket protocol violation: Upgrade header %q does not contain websocket", r.Header.Get("Upgrade")))
	}
	if r.Header.Get("Sec-WebSocket-Version") != "13" || r.Header.Get("Sec-WebSocket-Key") == "" {
		return c.noUpgrade(http.StatusBadRequest, "WebSocket protocol violation: unsupported version or missing key")
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(u.Host, r.Host) {
			host := origin
			if err == nil {
				host = u.Host
			}
			return c.noUpgrade(http.StatusForbidden, fmt.Sprintf("request Origin %q is not authorized for Host %q", host, r.Host))
		}
	}
	return true
}

// noUpgrade answers as the server's library and then the server do, one after
// the other in a body.
func (c *call) noUpgrade(status int, problem string) bool {
	if status == http.StatusUpgradeRequired {
		c.w.Header().Set("Connection", "Upgrade")
		c.w.Header().Set("Upgrade", "websocket")
	}
	detail := quote("failed to accept WebSocket connection: " + problem)
	write(c.w, status, page{"text/plain; charset=utf-8",
		problem + "\n{\"message\":\"Failed to accept " + c.socketName() + ".\",\"detail\":" + detail + "}\n"})
	return false
}

// socketName is how the answer to a failed handshake spells it.
func (c *call) socketName() string {
	if strings.HasSuffix(c.r.URL.Path, "/agent-connection-watch") {
		return "WebSocket"
	}
	return "websocket"
}

func hasToken(h http.Header, name, want string) bool {
	for _, v := range h.Values(name) {
		for _, t := range strings.Split(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), want) {
				return true
			}
		}
	}
	return false
}

const websocketGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// hijack does the handshake of a WebSocket by hand and takes the connection out
// of net/http, with what the client has sent already.
func (c *call) hijack() (net.Conn, []byte, error) {
	sum := sha1.Sum([]byte(c.r.Header.Get("Sec-WebSocket-Key") + websocketGUID))
	c.w.Header().Set("Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(sum[:]))
	return c.switchTo("websocket")
}

// switchTo is hijack for any protocol.
func (c *call) switchTo(protocol string) (net.Conn, []byte, error) {
	conn, rw, err := http.NewResponseController(c.w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err != nil {
		early = nil
	}
	if w, ok := c.w.(*countedWriter); ok {
		w.count(http.StatusSwitchingProtocols)
		if t, ok := conn.(*trackedConn); ok && protocol == "websocket" {
			_, path, _ := strings.Cut(w.route, " ")
			t.set.socket(t, path)
		}
	}
	h := c.w.Header()
	h.Set("Upgrade", protocol)
	h.Set("Connection", "Upgrade")
	var b strings.Builder
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(&b) // a strings.Builder does not fail
	b.WriteString("\r\n")
	if _, err := conn.Write([]byte(b.String())); err != nil {
		_ = conn.Close() // the client has gone
		return nil, nil, err
	}
	return conn, append([]byte(nil), early...), nil
}
