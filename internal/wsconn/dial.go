package wsconn

import (
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the handshake asks for it
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"time"
)

// acceptSuffix is the constant of RFC 6455, section 1.3.
const acceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// Dial upgrades req, which must be a GET of an http or https URL, over rt, and
// so by its proxies and with its TLS settings. The context bounds the
// handshake only.
//
// When the server answers with anything but 101, Dial returns the response and
// no error; the caller closes its body.
func Dial(ctx context.Context, rt http.RoundTripper, req *http.Request) (*Conn, *http.Response, error) {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])

	req = req.Clone(ctx)
	req.Header.Set("Sec-WebSocket-Version", "13")
	req.Header.Set("Sec-WebSocket-Key", key)
	conn, pre, resp, err := Upgrade(ctx, rt, req, "websocket", func(resp *http.Response) error { return accepts(resp, key) })
	if conn == nil {
		return nil, resp, err
	}
	return newConn(conn, pre), nil, nil
}

// Upgrade changes the protocol of a connection to something else and takes it
// over, with what the server has sent already behind its answer. Check looks at
// an answer of 101; nil takes any. Otherwise it is as [Dial].
func Upgrade(ctx context.Context, rt http.RoundTripper, req *http.Request, protocol string, check func(*http.Response) error) (conn net.Conn, pre []byte, resp *http.Response, err error) {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { conn = info.Conn },
	})
	req = req.Clone(ctx)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", protocol)
	resp, err = rt.RoundTrip(req)
	if err != nil {
		return nil, nil, nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, nil, resp, nil
	}
	if check != nil {
		err = check(resp)
	}
	if err == nil {
		pre, err = upgraded(resp, conn)
	}
	if err != nil {
		_ = resp.Body.Close()
		return nil, nil, nil, err
	}
	return conn, pre, nil, nil
}

// accepts looks at the answer to a WebSocket handshake.
func accepts(resp *http.Response, key string) error {
	sum := sha1.Sum([]byte(key + acceptSuffix)) //nolint:gosec // see above
	if !strings.EqualFold(resp.Header.Get("Upgrade"), "websocket") ||
		resp.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]) {
		return errors.New("the answer to the WebSocket upgrade is not from a WebSocket server: something in between answered instead")
	}
	if resp.Header.Get("Sec-WebSocket-Extensions") != "" {
		return protocolError("it uses an extension that was not offered")
	}
	return nil
}

func upgraded(resp *http.Response, conn net.Conn) (pre []byte, err error) {
	body, ok := resp.Body.(io.ReadWriteCloser)
	if !ok || conn == nil {
		return nil, errors.New("the HTTP transport can't upgrade connections: use an *http.Transport")
	}
	if pre, err = leftover(body, conn); err != nil {
		return nil, fmt.Errorf("take over the upgraded connection: %w", err)
	}
	return pre, nil
}

// leftover returns what the transport has read behind the handshake's answer.
// It keeps that in a buffer that only its body reads, and a read with a
// deadline in the past returns the buffer and then fails.
func leftover(body io.Reader, conn net.Conn) ([]byte, error) {
	if err := conn.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return nil, err
	}
	var pre []byte
	buf := make([]byte, 4096)
	for {
		n, err := body.Read(buf)
		pre = append(pre, buf[:n]...)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			if len(pre) > 0 {
				break // the reader will find the end, too
			}
			return nil, err
		}
	}
	return pre, conn.SetReadDeadline(time.Time{})
}
