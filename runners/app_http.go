package runners

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

// appRequests makes HTTP requests to an app.
type appRequests struct {
	*app
	http *http.Client
}

// Setup finds out where the app is.
func (r *appRequests) Setup(ctx context.Context, _ *harness.Recorder) error {
	if err := r.locate(ctx); err != nil {
		return err
	}
	r.http = r.session.HTTPClient()
	return nil
}

// Run makes a request at each tick until the load ends. One that is due while
// another is on its way waits for it, and is measured from when it was due.
func (r *appRequests) Run(ctx context.Context, rec *harness.Recorder) error {
	cfg := r.group.cfg
	timer := time.NewTimer(0)
	defer timer.Stop()
	for due, more := cfg.Load.Shape.Next(traffic.Before); more; due, more = cfg.Load.Shape.Next(due) {
		intended := rec.Intended().Add(due.At)
		if wait := time.Until(intended); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-rec.Done():
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		select {
		case <-rec.Done():
			return nil
		default:
		}
		start := time.Now()
		err := r.request(ctx, rec)
		now := time.Now()
		rec.Record(AppRequest, now.Sub(intended), now.Sub(start), err)
		if err != nil {
			rec.Logf("%v", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (r *appRequests) request(ctx context.Context, rec *harness.Recorder) error {
	cfg := r.group.cfg
	method, size := http.MethodGet, 0
	if cfg.Method != "" && cfg.Method != http.MethodGet {
		method, size = cfg.Method, cfg.Load.BytesPerTick
	}
	action := fmt.Sprintf("%s app %s of %s", method, cfg.Slug, r.workspace.Name)
	req, err := http.NewRequestWithContext(ctx, method, r.session.URL().String(), bytes.NewReader(make([]byte, size)))
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	rec.Add(BytesSent, int64(size))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return r.client.ResponseError(action, resp)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	rec.Add(BytesReceived, n)
	_ = resp.Body.Close()
	if err != nil {
		return fmt.Errorf("%s: read the answer: %w", action, err)
	}
	return nil
}

// Cleanup closes the connections.
func (r *appRequests) Cleanup(context.Context) error {
	r.close()
	return nil
}
