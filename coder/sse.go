package coder

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"
)

// sseLine is the longest line that is taken. The largest hold a workspace.
const sseLine = streamLimit

// errSilent ends a stream of events on which not even pings come.
var errSilent = errors.New("nothing came for " + streamIdle.String())

// openEvents opens a stream of server-sent events.
func (c *Client) openEvents(ctx context.Context, action string, path []string, limit int) (*stream, error) {
	u, err := c.resolve(path, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	if err := c.SignIn(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	r := c.newRetrier(call{action: action, method: http.MethodGet, repeatable: true})
	for {
		s, bypassed, err := c.requestEvents(ctx, action, u.String(), limit)
		if err == nil {
			return s, nil
		}
		if err = r.next(ctx, err, bypassed); err != nil {
			return nil, err
		}
	}
}

func (c *Client) requestEvents(ctx context.Context, action, url string, limit int) (s *stream, bypassed bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		cancel(nil)
		return nil, false, c.transportError(action, err)
	}
	maps.Copy(req.Header, c.shared.header.Clone())
	c.Inject(ctx, req.Header)
	req.Header.Set("Accept", "text/event-stream")
	bypassed = c.authorize(req.Header)
	endless := *c.http
	endless.Timeout = 0
	resp, err := endless.Do(req)
	if err != nil {
		cancel(nil)
		return nil, bypassed, c.transportError(action, err)
	}
	resp.Request = req
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		err := c.responseError(action, resp)
		cancel(nil)
		return nil, bypassed, err
	}
	box := newMailbox(limit)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		silence := time.AfterFunc(streamIdle, func() { cancel(errSilent) })
		defer silence.Stop()
		err := readEvents(resp.Body, func(m message) {
			silence.Reset(streamIdle)
			box.put(m)
		})
		if errors.Is(context.Cause(ctx), errSilent) {
			err = errSilent
		}
		if err == nil {
			err = io.ErrUnexpectedEOF // these streams have no regular end
		}
		box.end(c.transportError(action, err))
	}()
	return &stream{mailbox: box, close: func() {
		cancel(nil)
		_ = resp.Body.Close()
		<-gone
	}}, bypassed, nil
}

// readEvents parses server-sent events until the reader ends. An event that
// is cut off does not count.
func readEvents(r io.Reader, emit func(message)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), sseLine)
	lines.Split(scanEventLines)
	kind := ""
	var data [][]byte
	any := false
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 {
			if any {
				emit(message{kind: kind, data: bytes.Join(data, []byte("\n"))})
			}
			kind, data, any = "", nil, false
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			kind, any = string(value), true
		case "data":
			data, any = append(data, bytes.Clone(value)), true
		}
	}
	return lines.Err()
}

// scanEventLines splits at LF or CRLF, and drops a last line without an end.
func scanEventLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		if atEOF {
			return len(data), nil, nil
		}
		return 0, nil, nil
	}
	return i + 1, bytes.TrimSuffix(data[:i], []byte("\r")), nil
}
