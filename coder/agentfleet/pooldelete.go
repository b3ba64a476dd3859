package agentfleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/coderscale/scaletest/coder"
)

// Deleted is what became of a pool.
type Deleted struct {
	// Gone is how many workspaces were deleted.
	Gone int
	// Left are the names of those that were not.
	Left []string
}

// Delete deletes all workspaces of the pool, whatever Count is. The template
// stays. It deletes the records only, since there is nothing behind them, if the
// client may do that, and otherwise as usual. It goes on after failures; the error
// says how many are left and why the first of them. Repeat it.
func (p Pool) Delete(ctx context.Context) (Deleted, error) {
	p = p.withDefaults()
	if err := p.Validate(); err != nil {
		return Deleted{}, err
	}
	there, err := p.workspaces(ctx)
	if err != nil {
		return Deleted{}, err
	}
	numbers := slices.Sorted(maps.Keys(there))
	var noOrphan atomic.Bool
	var mu sync.Mutex
	reasons := map[int]error{}
	gone := map[int]bool{}
	forEach(ctx, p.AtATime, len(numbers), func(i int) {
		n := numbers[i]
		err := p.delete(ctx, there[n], &noOrphan)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			reasons[n] = err
			return
		}
		gone[n] = true
		if len(gone)%100 == 0 || len(gone) == len(numbers) {
			p.say("%d of %d workspaces are deleted", len(gone), len(numbers))
		}
	})
	out := Deleted{Gone: len(gone)}
	var first error
	for _, n := range numbers {
		if gone[n] {
			continue
		}
		out.Left = append(out.Left, p.name(n))
		if first == nil && reasons[n] != nil {
			first = fmt.Errorf("%s: %w", p.name(n), reasons[n])
		}
	}
	if first == nil {
		first = context.Cause(ctx)
	}
	if len(out.Left) > 0 {
		return out, fmt.Errorf("%d of %d workspaces are left, for example %w", len(out.Left), len(numbers), first)
	}
	return out, nil
}

// delete deletes one workspace, also while it is being built.
func (p Pool) delete(ctx context.Context, w coder.Workspace, noOrphan *atomic.Bool) error {
	b := w.LatestBuild
	for attempt := 0; ; attempt++ {
		if !b.Done() {
			if _, err := p.Client.WaitBuild(ctx, b.ID); ctx.Err() != nil {
				return err
			}
		}
		req := coder.CreateBuildRequest{Transition: coder.TransitionDelete, Orphan: !noOrphan.Load()}
		made, err := p.Client.CreateBuild(ctx, w.ID, req)
		switch {
		case coder.IsGone(err), coder.IsNotFound(err):
			return nil
		case req.Orphan && (coder.IsForbidden(err) || coder.IsInvalid(err)):
			noOrphan.Store(true)
			continue
		case coder.IsConflict(err) && attempt < 2: // somebody builds it
			now, look := p.Client.Workspace(ctx, w.ID)
			if coder.IsGone(look) {
				return nil
			}
			if look != nil {
				return errors.Join(err, look)
			}
			b = now.LatestBuild
			continue
		case err != nil:
			return err
		}
		_, err = p.Client.WaitBuild(ctx, made.ID)
		if coder.IsGone(err) || coder.IsNotFound(err) {
			return nil
		}
		if _, failed := errors.AsType[*coder.JobError](err); failed && attempt < 1 {
			b = made
			b.Job.Status = coder.JobFailed
			continue
		}
		return err
	}
}
