package coder

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// retrier decides after each failed attempt of one call.
type retrier struct {
	client    *Client
	call      call
	pause     *backoff.ExponentialBackOff
	repeats   int
	limited   time.Duration // waited for rate limits so far
	blind     bool          // an earlier attempt may have been executed
	rebuffed  bool          // the bypass header was taken off once
	succeeded bool
}

func (c *Client) newRetrier(cl call) *retrier {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = 200 * time.Millisecond
	pause.MaxInterval = 10 * time.Second
	return &retrier{client: c, call: cl, pause: pause}
}

// next waits until the call may be sent again and returns nil, or returns the
// error with which it ends.
func (r *retrier) next(ctx context.Context, err error, bypassed bool) error {
	if ctx.Err() != nil {
		return ended(ctx, r.call.action, err)
	}
	e := asError(err)
	switch {
	case e.StatusCode == http.StatusTooManyRequests:
		return r.waitForLimit(ctx, e, bypassed)
	case e.StatusCode == http.StatusPreconditionRequired && bypassed && !r.rebuffed:
		// The owner has lost the role. Nothing was executed.
		r.rebuffed = true
		r.client.learnOwner(false)
		return nil
	case r.call.removes && r.blind && (IsNotFound(err) || IsGone(err)):
		r.succeeded = true
		return nil
	case r.mayRepeat(err):
		return r.waitToRepeat(ctx, err)
	}
	return err
}

// mayRepeat reports whether the failure is one that passes, of a call that
// can be sent again without doing something twice.
func (r *retrier) mayRepeat(err error) bool {
	if r.client.shared.maxRetries < 0 || r.repeats >= r.client.shared.maxRetries {
		return false
	}
	if t, ok := errors.AsType[*TransportError](err); ok {
		return (r.call.repeatable || neverSent(t.Err)) && !lasting(t.Err)
	}
	switch asError(err).StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return r.call.repeatable
	}
	return false
}

func (r *retrier) waitToRepeat(ctx context.Context, err error) error {
	if t, ok := errors.AsType[*TransportError](err); !ok || !neverSent(t.Err) {
		r.blind = true
	}
	r.repeats++
	if sleep(ctx, r.pause.NextBackOff()) != nil {
		return ended(ctx, r.call.action, err)
	}
	return nil
}

func (r *retrier) waitForLimit(ctx context.Context, e *Error, bypassed bool) error {
	s := r.client.shared
	s.limited.Add(1)
	wait := e.RetryAfter
	switch deadline, ok := ctx.Deadline(); {
	case s.maxWait < 0:
		e.hint = "rate limits are not waited for; raise CODER_API_RATE_LIMIT on the server or send less"
		wait = 0
	case ok && time.Until(deadline) < wait:
		e.hint = fmt.Sprintf("it asks to wait %v, but the deadline is in %v; give it more time, or raise CODER_API_RATE_LIMIT on the server", wait, time.Until(deadline).Round(time.Millisecond))
		wait = 0
	case r.limited+wait > s.maxWait:
		e.hint = fmt.Sprintf("it asks to wait %v more, in all more than the %v allowed; raise CODER_API_RATE_LIMIT on the server or send less", wait, s.maxWait)
		wait = 0
	default:
		// A limit that asks for no wait at all must not become a busy loop.
		wait = max(wait, 100*time.Millisecond)
	}
	if s.onRateLimit != nil {
		s.onRateLimit(RateLimitEvent{Method: e.Method, Path: e.Path, Wait: wait, Bypass: bypassed})
	}
	if wait == 0 {
		s.gaveUp.Add(1)
		return e
	}
	start := time.Now()
	err := sleep(ctx, wait)
	s.waited.Add(int64(time.Since(start)))
	if err != nil {
		return ended(ctx, r.call.action, e)
	}
	r.limited += wait
	return nil
}

// ended is the error of a call whose context is over. The last failure is the
// more useful part, when there was one.
func ended(ctx context.Context, action string, last error) error {
	cause := context.Cause(ctx)
	if t, ok := errors.AsType[*TransportError](last); ok && errors.Is(t.Err, ctx.Err()) {
		last = nil
	}
	if last == nil || errors.Is(last, ctx.Err()) {
		if errors.Is(cause, ctx.Err()) {
			return fmt.Errorf("%s: %w", action, cause)
		}
		return fmt.Errorf("%s: %w: %w", action, ctx.Err(), cause)
	}
	return fmt.Errorf("%w while waiting to try again: %w", ctx.Err(), last)
}

// sleep waits, or returns early with the error of the context.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
