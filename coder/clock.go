package coder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// ClockOffset is how far the deployment's clock is from this machine's.
type ClockOffset struct {
	// Ahead is what must be added to the time here to get the time there.
	Ahead time.Duration

	// Within is how far off Ahead can be, either way.
	Within time.Duration
}

// clockProbes bounds the requests of one measurement.
const clockProbes = 400

// ClockOffset measures the offset of the server's clock by the Date header of
// its answers. That has whole seconds only, so requests follow each other until
// it changes: the server's second begins between the sending of the last
// request and the answer to it. It takes about a second, and more exact than the
// time that a request takes it can't be.
//
// GET /healthz, repeatedly
func (c *Client) ClockOffset(ctx context.Context) (ClockOffset, error) {
	const action = "measure the clock of the deployment"
	var last time.Time
	for range clockProbes {
		sent := time.Now()
		date, err := c.date(ctx, action)
		if err != nil {
			return ClockOffset{}, err
		}
		answered := time.Now()
		if !last.IsZero() && date.After(last) {
			// The second began at or after the answer before, and not after this one.
			middle := sent.Add(answered.Sub(sent) / 2)
			return ClockOffset{Ahead: date.Sub(middle), Within: answered.Sub(sent)/2 + clockPause}, nil
		}
		last = date
		if err := sleep(ctx, clockPause); err != nil {
			return ClockOffset{}, fmt.Errorf("%s: %w", action, err)
		}
	}
	return ClockOffset{}, fmt.Errorf("%s: the Date header of its answers does not change; something in between keeps old answers", action)
}

// clockPause lies between two requests, so that they are no load.
const clockPause = 4 * time.Millisecond

func (c *Client) date(ctx context.Context, action string) (time.Time, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.join("healthz").String(), nil)
	if err != nil {
		return time.Time{}, c.transportError(action, err)
	}
	req.Header = c.shared.header.Clone()
	c.Inject(ctx, req.Header)
	resp, err := c.http.Do(req)
	if err != nil {
		return time.Time{}, c.transportError(action, err)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, drainLimit) // for the next request on this connection
	_ = resp.Body.Close()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", action, errors.New("its answers have no Date header"))
	}
	return date, nil
}
