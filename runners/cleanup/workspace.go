package cleanup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
)

// ErrPrebuilt is why a workspace was not touched: the deployment keeps it
// ready for whoever comes next.
var ErrPrebuilt = errors.New("it is a prebuilt workspace of the deployment")

// prebuildsOwner is the user whom servers give prebuilt workspaces to.
const prebuildsOwner = "prebuilds"

func prebuilt(w coder.Workspace) bool { return w.IsPrebuild || w.OwnerName == prebuildsOwner }

// DeleteWorkspace deletes a workspace and waits until it is gone. A build that
// is active is canceled, or waited for if it is a deletion or may not be
// canceled. After a failure, or when another build began meanwhile, it tries
// again. With Options.Orphan it deletes the record in the end, and reports that
// what it stood for is left behind. A workspace that is gone already is no
// error, a prebuilt one is [ErrPrebuilt].
//
// The context bounds it all.
func DeleteWorkspace(ctx context.Context, c *coder.Client, id uuid.UUID, o Options) (orphaned bool, err error) {
	d := deletion{c: c, id: id, name: id.String(), o: o.withDefaults()}
	if !o.Orphan {
		return false, d.named(d.regular(ctx))
	}
	first, cancel := context.WithCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		first, cancel = context.WithDeadline(ctx, deadline.Add(-time.Until(deadline)/3))
	}
	err = d.regular(first)
	cancel()
	if err == nil || errors.Is(err, ErrPrebuilt) || ctx.Err() != nil {
		return false, d.named(err)
	}
	d.o.Logf("workspace %s can't be deleted, its record is: %v", d.name, err)
	gone, orphanErr := d.orphan(ctx)
	if orphanErr != nil {
		return false, d.named(fmt.Errorf("%w; orphan it: %w", err, orphanErr))
	}
	return !gone, nil
}

// deletion is the deletion of one workspace.
type deletion struct {
	c    *coder.Client
	id   uuid.UUID
	name string // owner/name, or the ID until it is known
	o    Options
}

func (d *deletion) named(err error) error {
	action := "delete workspace " + d.name + ": "
	if err == nil || strings.HasPrefix(err.Error(), action) {
		return err
	}
	return fmt.Errorf("%s%w", action, err)
}

// errBusy is that somebody else's build was in the way.
var errBusy = errors.New("other builds begin again and again: find out who starts them")

// maxBusy is how many builds of others are waited for.
const maxBusy = 10

// regular deletes it with everything that belongs to it.
func (d *deletion) regular(ctx context.Context) error {
	var last error
	for attempt, busy := 0, 0; attempt < d.o.Attempts; {
		if err := d.o.pauseBefore(ctx, attempt); err != nil {
			return orLast(last, err)
		}
		err := d.once(ctx, coder.CreateBuildRequest{Transition: coder.TransitionDelete}, false)
		switch {
		case err == nil, isGone(err):
			return nil
		case final(err):
			return err
		case ctx.Err() != nil:
			return orLast(last, err)
		case coder.IsConflict(err):
			// Not a failed attempt: the next look sees the build.
			if last = err; busy == maxBusy {
				return fmt.Errorf("%w: %w", errBusy, err)
			}
			busy++
			if err := sleep(ctx, min(d.o.Pause, time.Second)/10); err != nil {
				return orLast(last, err)
			}
		default:
			last = err
			attempt++
			d.o.Logf("workspace %s: attempt %d of %d: %v", d.name, attempt, d.o.Attempts, err)
		}
	}
	return last
}

// orphan deletes the record only. It reports whether the workspace turned out
// to be gone.
func (d *deletion) orphan(ctx context.Context) (gone bool, err error) {
	for busy := 0; ; busy++ {
		err := d.once(ctx, coder.CreateBuildRequest{Transition: coder.TransitionDelete, Orphan: true}, true)
		if !coder.IsConflict(err) || busy == maxBusy {
			return isGone(err), unlessGone(err)
		}
		if err := sleep(ctx, min(d.o.Pause, time.Second)/10); err != nil {
			return false, err
		}
	}
}

// once makes room for a build, begins it and waits for it. With force, a
// deletion that is in the way is canceled too.
func (d *deletion) once(ctx context.Context, build coder.CreateBuildRequest, force bool) error {
	w, err := d.c.Workspace(ctx, d.id)
	if err != nil {
		return err
	}
	d.name = w.FullName()
	if prebuilt(w) {
		return ErrPrebuilt
	}
	switch b := w.LatestBuild; {
	case !b.Done() && b.Transition == coder.TransitionDelete && !force:
		if _, err := d.c.WaitBuild(ctx, b.ID); err == nil || ctx.Err() != nil || isGone(err) {
			return err
		}
		// It failed. Ours begins from there.
	case !b.Done():
		if err := d.stop(ctx, b); err != nil {
			return err
		}
	default:
		if err := d.outliveCanceled(ctx, b); err != nil {
			return err
		}
	}
	b, err := d.c.CreateBuild(ctx, d.id, build)
	if err != nil {
		return err
	}
	_, err = d.c.WaitBuild(ctx, b.ID)
	return err
}

// isGone reports whether there is nothing left to delete.
func isGone(err error) bool { return coder.IsGone(err) || coder.IsNotFound(err) }

func unlessGone(err error) error {
	if isGone(err) {
		return nil
	}
	return err
}

// final reports whether another attempt would end in the same way.
func final(err error) bool {
	return errors.Is(err, ErrPrebuilt) || coder.IsUnauthorized(err) || coder.IsForbidden(err)
}

// orLast keeps the failure that came before the time was over: it says more.
func orLast(last, err error) error {
	if last == nil {
		return err
	}
	return fmt.Errorf("%w, after: %w", err, last)
}
