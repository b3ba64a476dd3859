package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// Client is a shard's side.
type Client struct {
	// URL is the collector's.
	URL string

	// RunID is the run's, the same for all shards.
	RunID string

	// Shard is this one. The whole is 1/1.
	Shard harness.Shard

	// Logf gets lines for people while shards are waited for, or the collector can't
	// be reached. Nil drops them.
	Logf func(format string, args ...any)

	// HTTP makes the requests. Nil is a client of its own.
	HTTP *http.Client

	once    sync.Once
	inner   *http.Client
	process string
}

// refusedError is an answer that asking again does not change.
type refusedError string

func (e refusedError) Error() string { return string(e) }

// retryEvery is the time between two attempts.
const retryEvery = time.Second

// speaker is who speaks to the collector.
func (c *Client) speaker() speaker {
	c.http() // which knows the process
	return speaker{c.RunID, nameOf(c.Shard), c.process}
}

func (c *Client) http() *http.Client {
	c.once.Do(func() {
		c.process = newProcess()
		if c.inner = c.HTTP; c.inner == nil {
			c.inner = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}}
		}
	})
	return c.inner
}

// Meet comes to a point and returns when to go on, by this machine's clock, once
// everybody has come. It tries again while the collector can't be reached, until ctx
// is done. The fingerprint is what all must have in common. At a lenient point those
// who are given up are not waited for, and it opens at once.
func (c *Client) Meet(ctx context.Context, name, fingerprint string, lenient bool) (time.Time, error) {
	body, err := json.Marshal(meetRequest{speaker: c.speaker(), Point: name, Fingerprint: fingerprint, Lenient: lenient})
	if err != nil {
		return time.Time{}, err
	}
	var last error
	said := reminder{logf: c.Logf}
	for {
		var a meetAnswer
		code, err := c.post(ctx, "/v1/meet", bytes.NewReader(body), 2*poll, &a)
		switch {
		case err == nil && code == http.StatusOK:
			return time.Now().Add(time.Duration(a.In * float64(time.Second))), nil
		case err == nil && code == http.StatusAccepted:
			last = fmt.Errorf("shard %s is not there", strings.Join(a.Missing, ", "))
			said.again("waiting for shard %s", strings.Join(a.Missing, ", "))
			continue
		case err == nil && code == http.StatusConflict:
			return time.Time{}, fmt.Errorf("meet the other shards: %w", refusedError(a.Error))
		case err == nil:
			err = fmt.Errorf("the collector answered %d %s", code, a.Error)
		}
		if ctx.Err() == nil {
			last = err
			said.again("the collector can't be asked when to begin, and is asked again: %v", err)
		}
		if !sleep(ctx, retryEvery) {
			return time.Time{}, fmt.Errorf("meet the other shards at %s: %w", c.URL, errors.Join(context.Cause(ctx), last))
		}
	}
}

// Stay says every few seconds that this shard is there, until ctx is done.
func (c *Client) Stay(ctx context.Context) {
	say := func(ctx context.Context, limit time.Duration, leaves bool) {
		body, _ := json.Marshal(aliveRequest{c.speaker(), leaves})
		_, _ = c.post(ctx, "/v1/alive", bytes.NewReader(body), limit, nil) // the next one may get through
	}
	for {
		say(ctx, 10*time.Second, false)
		if !sleep(ctx, 5*time.Second) {
			say(context.WithoutCancel(ctx), time.Second, true) // so that another one may be the shard
			return
		}
	}
}

// Send sends what is appended to the stream of a run, once a second, until ended is
// closed and all of it is there. Then, or when ctx is done, it returns; an error
// means that the collector does not have all.
func (c *Client) Send(ctx context.Context, name string, stream io.ReaderAt, ended <-chan struct{}) error {
	var size int64
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	var failed error
	reached := false
	for {
		over := false
		select {
		case <-ended:
			over = true
		default:
		}
		all, err := c.send(ctx, name, stream, &size, over)
		if _, refused := errors.AsType[refusedError](err); refused {
			return fmt.Errorf("send the numbers of shard %s: %w", nameOf(c.Shard), err)
		}
		if err == nil && over && all {
			return nil
		}
		if reached = reached || err == nil; err != nil {
			failed = err
		}
		if over && !reached {
			return fmt.Errorf("send the numbers of shard %s to %s: it could not be reached at any time: %w", nameOf(c.Shard), c.URL, failed)
		}
		if over && err == nil {
			continue // there is more
		}
		wake := ended
		if over {
			wake = nil
		}
		select {
		case <-wake:
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("send the numbers of shard %s to %s: %w", nameOf(c.Shard), c.URL, errors.Join(context.Cause(ctx), failed))
		}
	}
}

// send sends a piece from where the collector is, and reports whether it has all.
func (c *Client) send(ctx context.Context, name string, stream io.ReaderAt, size *int64, over bool) (all bool, err error) {
	chunk := make([]byte, 1<<20)
	n, err := stream.ReadAt(chunk, *size)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read the stream: %w", err)
	}
	all = errors.Is(err, io.EOF)
	who := c.speaker()
	q := url.Values{"run_id": {who.RunID}, "shard": {who.Shard}, "process": {who.Process}, "name": {name}, "offset": {strconv.FormatInt(*size, 10)}}
	if all && over {
		q.Set("last", "true")
	}
	var a streamAnswer
	code, err := c.post(ctx, "/v1/stream?"+q.Encode(), bytes.NewReader(chunk[:n]), 30*time.Second, &a)
	switch {
	case err != nil:
		return false, err
	case code == http.StatusConflict:
		return false, refusedError(a.Error)
	case code != http.StatusOK:
		return false, fmt.Errorf("the collector answered %d %s", code, a.Error)
	}
	all = all && a.Size == *size+int64(n)
	*size = a.Size
	return all, nil
}

func (c *Client) post(ctx context.Context, path string, body io.Reader, timeout time.Duration, into any) (code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(c.URL, "/")+path, body)
	if err != nil {
		return 0, err
	}
	resp, err := c.http().Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if into != nil && resp.StatusCode != http.StatusNoContent {
		if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(into); err != nil {
			return resp.StatusCode, fmt.Errorf("the answer of %s (%d) is not a collector's: %w", c.URL, resp.StatusCode, err)
		}
	}
	return resp.StatusCode, nil
}

// Close ends what the client keeps open.
func (c *Client) Close() { c.http().CloseIdleConnections() }

// sleep returns false when ctx is done before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// reminder says something at once, and then from time to time.
type reminder struct {
	logf func(string, ...any)
	last time.Time
}

func (r *reminder) again(format string, args ...any) {
	if r.logf == nil || time.Since(r.last) < 30*time.Second {
		return
	}
	r.last = time.Now()
	r.logf(format, args...)
}
