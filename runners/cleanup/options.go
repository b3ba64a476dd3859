package cleanup

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Options say how hard to try. The zero value is useful.
type Options struct {
	// Orphan deletes the record of a workspace that can't be deleted otherwise,
	// and leaves what it stands for behind. That needs the right to change its
	// template. Where the context has a deadline, the last third of the time is
	// kept for it.
	Orphan bool

	// Attempts is how often a deletion is tried before it counts as failed. 0
	// means 3.
	Attempts int

	// Pause is the time before the second attempt. It doubles with each. 0 means
	// 1 s.
	Pause time.Duration

	// Logf is told what takes time and what is given up. Nil tells nobody.
	Logf func(format string, args ...any)
}

// Validate reports everything that is wrong with the options, joined.
func (o Options) Validate() error {
	var errs []error
	if o.Attempts < 0 {
		errs = append(errs, tooLow("Attempts", o.Attempts))
	}
	if o.Pause < 0 {
		errs = append(errs, tooLow("Pause", o.Pause))
	}
	return errors.Join(errs...)
}

func tooLow(field string, value any) error {
	return fmt.Errorf("%s is %v, want 0 or more", field, value)
}

func (o Options) withDefaults() Options {
	if o.Attempts <= 0 {
		o.Attempts = 3
	}
	if o.Pause <= 0 {
		o.Pause = time.Second
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	return o
}

// pauseBefore waits before an attempt, counted from 0. There is no wait before
// the first.
func (o Options) pauseBefore(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return ctx.Err()
	}
	return sleep(ctx, o.Pause<<min(attempt-1, 5))
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
