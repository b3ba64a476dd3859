package cleanup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coderscale/scaletest/coder"
)

// stop ends an active build: by canceling, or by waiting where that is not
// allowed.
func (d *deletion) stop(ctx context.Context, b coder.Build) error {
	if b.Job.Status == coder.JobPending {
		var err error
		if b, err = d.stopPending(ctx, b); err != nil {
			return err
		}
	}
	if b.Job.Status == coder.JobRunning {
		// Canceled with either status, so that old servers understand it.
		switch err := d.c.CancelBuild(ctx, b.ID, ""); {
		case coder.IsForbidden(err):
			d.o.Logf("workspace %s: its %s may not be canceled, waiting for it", d.name, b.Transition)
		case err != nil && !coder.IsInvalid(err): // that is one that has just ended, or was canceled before
			return err
		}
	}
	return d.waitEnd(ctx, b)
}

// stopPending cancels a build that has not begun. Old servers execute it all
// the same, later and perhaps beside our deletion, which would then leave
// behind what it makes. There it is better to let it begin.
func (d *deletion) stopPending(ctx context.Context, b coder.Build) (coder.Build, error) {
	executed, err := executesCanceled(ctx, d.c)
	if err != nil {
		return b, err
	}
	if nobody := b.MatchedProvisioners; executed && (nobody == nil || nobody.Count > 0) {
		return d.waitBegin(ctx, b)
	}
	err = d.c.CancelBuild(ctx, b.ID, coder.CancelPending)
	switch {
	case err == nil, coder.IsInvalid(err):
		return d.c.Build(ctx, b.ID)
	case coder.StateMismatch(err):
		b.Job.Status = coder.JobRunning // it began in this moment
		return b, nil
	}
	return b, err
}

// waitEnd waits until a build has ended, well or not.
func (d *deletion) waitEnd(ctx context.Context, b coder.Build) error {
	if b.Done() {
		return nil
	}
	_, err := d.c.WaitBuild(ctx, b.ID)
	if _, ended := errors.AsType[*coder.JobError](err); ended {
		return nil
	}
	return err
}

// waitBegin waits until a build is no longer pending.
func (d *deletion) waitBegin(ctx context.Context, b coder.Build) (coder.Build, error) {
	return d.look(ctx, b, func(b coder.Build) bool { return b.Job.Status != coder.JobPending })
}

// zombieWait is how long a canceled build is given to be executed all the same.
const zombieWait = 30 * time.Second

// outliveCanceled waits until a server that executes builds canceled while
// pending has done so with the latest one.
func (d *deletion) outliveCanceled(ctx context.Context, b coder.Build) error {
	if b.Job.Status != coder.JobCanceled || executedCanceled(b) {
		return nil
	}
	executes, err := executesCanceled(ctx, d.c)
	if err != nil || !executes {
		return err
	}
	short, cancel := context.WithTimeout(ctx, zombieWait)
	defer cancel()
	_, err = d.look(short, b, executedCanceled)
	if short.Err() != nil && ctx.Err() == nil {
		d.o.Logf("workspace %s: its canceled %s has not been executed within %v; if that happens later, something can be left behind", d.name, b.Transition, zombieWait)
		return nil
	}
	return err
}

// executedCanceled reports whether a canceled build has been executed: it has
// begun, and ended after it was canceled.
func executedCanceled(b coder.Build) bool {
	return !b.Job.StartedAt.IsZero() && b.Job.CompletedAt.After(b.Job.CanceledAt)
}

// look reads a build again and again until it is as wanted.
func (d *deletion) look(ctx context.Context, b coder.Build, wanted func(coder.Build) bool) (coder.Build, error) {
	for pause := 10 * time.Millisecond; ; pause = min(pause*2, 2*time.Second) {
		next, err := d.c.Build(ctx, b.ID)
		if err != nil {
			return b, err
		}
		if b = next; wanted(b) {
			return b, nil
		}
		if err := sleep(ctx, pause); err != nil {
			return b, fmt.Errorf("wait for build %s, which is %s: %w", b.ID, b.Job.Status, err)
		}
	}
}

// executesCanceled reports whether the server executes builds that were
// canceled while they were pending. 2.26 was seen to; the cause went away in
// February 2026, between 2.30 and 2.31. A version that can't be read counts as
// old, because waiting is never wrong.
func executesCanceled(ctx context.Context, c *coder.Client) (bool, error) {
	info, err := c.BuildInfo(ctx)
	if err != nil {
		return false, err
	}
	v, ok := info.Semver()
	return !ok || !v.AtLeast(2, 31), nil
}
