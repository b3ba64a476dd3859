package coder

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

const (
	// followPatience is after how long without a line the job is looked at.
	followPatience = 5 * time.Second
	// followRetries is how often a log stream is opened again without a new
	// line in between.
	followRetries = 5
)

// logFollow is a log that is followed.
type logFollow[T any] struct {
	action string
	path   []string
	after  int64
	decode func([]byte) ([]T, error)
	id     func(T) int64
	// done reports whether nothing more can come. Nil means that only the
	// server knows.
	done func(context.Context) (bool, error)
}

// followLogs yields the lines of a log until its end.
func followLogs[T any](ctx context.Context, c *Client, f logFollow[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		losses := 0
		for {
			before := f.after
			lost, err := f.once(ctx, c, yield)
			if err == nil {
				return
			}
			if f.after > before {
				losses = 0
			}
			losses++
			if !lost || losses > followRetries || sleep(ctx, time.Duration(losses)*200*time.Millisecond) != nil {
				yield(zero, withAction(ctx, f.action, err))
				return
			}
		}
	}
}

// once follows the log over one connection. Without an error the sequence is
// over, with lost it may go on over another connection. It moves after.
func (f *logFollow[T]) once(ctx context.Context, c *Client, yield func(T, error) bool) (lost bool, err error) {
	query := afterValues(f.after)
	query.Set("follow", "true")
	s, err := c.openStream(ctx, f.action, f.path, query, 0)
	if err != nil {
		return false, err // openStream has tried again where that helps
	}
	defer s.close()
	done := false
	for {
		m, err := s.take(ctx, f.patience())
		switch {
		case isEnd(err):
			return false, nil
		case errors.Is(err, errQuiet):
			// A second quiet spell after the end of the job: whatever it had
			// to say has come.
			if done {
				return false, nil
			}
			if done, err = f.done(ctx); err != nil {
				return false, err
			}
			continue
		case err != nil:
			return ctx.Err() == nil, err
		}
		lines, err := f.decode(m.data)
		for _, line := range lines {
			if f.id(line) <= f.after && f.id(line) > 0 {
				continue // came before the connection was lost
			}
			f.after = max(f.after, f.id(line))
			if !yield(line, nil) {
				return false, nil
			}
		}
		if err != nil {
			return false, fmt.Errorf("%s: %w", f.action, err)
		}
	}
}

func (f *logFollow[T]) patience() time.Duration {
	if f.done == nil {
		return 0
	}
	return followPatience
}
