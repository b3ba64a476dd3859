package cleanup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coderscale/scaletest/coder"
)

// Ledger is told what is gone. That of package harness/ledger is one.
type Ledger interface {
	Gone(run, kind, name string)
}

// RunConfig says how a plan is carried out. The zero value does one deletion
// after the other, without limits.
type RunConfig struct {
	// AtATime is how many deletions run at the same time. 0 means 1.
	AtATime int
	// Timeout bounds all of it, JobTimeout each deletion. 0 is no limit.
	Timeout, JobTimeout time.Duration
	// Options are for each deletion.
	Options Options
	// Ledger is told what is gone. Nil tells nobody.
	Ledger Ledger
	// Progress is called after each deletion, one call at a time. Nil is fine.
	Progress func(Progress)
}

// Progress is how far a cleanup has come.
type Progress struct {
	// Item is what was dealt with, Err why it is left, if it is.
	Item     Item
	Err      error
	Orphaned bool
	// Done of Total have been dealt with.
	Done, Total int
}

// Validate reports everything that is wrong with the configuration, joined.
func (c RunConfig) Validate() error {
	errs := []error{c.Options.Validate()}
	if c.AtATime < 0 {
		errs = append(errs, tooLow("AtATime", c.AtATime))
	}
	if c.Timeout < 0 {
		errs = append(errs, tooLow("Timeout", c.Timeout))
	}
	if c.JobTimeout < 0 {
		errs = append(errs, tooLow("JobTimeout", c.JobTimeout))
	}
	return errors.Join(errs...)
}

// Report is what a cleanup has done.
type Report struct {
	// Deleted are gone now, Gone were before.
	Deleted, Gone []Item
	// Orphaned are workspaces whose record is gone, and what it stood for is left.
	Orphaned []Item
	// Left could not be deleted.
	Left []Left
	// Spared were not touched, see [Plan].
	Spared []Left
}

// Add puts another report after this one.
func (r *Report) Add(other Report) {
	r.Deleted = append(r.Deleted, other.Deleted...)
	r.Gone = append(r.Gone, other.Gone...)
	r.Orphaned = append(r.Orphaned, other.Orphaned...)
	r.Left = append(r.Left, other.Left...)
	r.Spared = append(r.Spared, other.Spared...)
}

// String is like "40 deleted, 0 orphaned, 1 left".
func (r Report) String() string {
	return fmt.Sprintf("%d deleted, %d orphaned, %d left", len(r.Deleted), len(r.Orphaned), len(r.Left))
}

var (
	errTimeout    = errors.New("the time for the cleanup is over: give it more, or repeat it")
	errJobTimeout = errors.New("the time for one deletion is over: give it more, or repeat it")
	errNotTried   = errors.New("it was not tried")
)

// Run deletes what is planned: workspaces, then users, then keys. It goes on
// after a failure; the report has what is left and why. When the context ends,
// deletions that have begun are given up, and nothing new is begun. Repeating a
// cleanup is safe.
func (p Plan) Run(ctx context.Context, c *coder.Client, cfg RunConfig) Report {
	if cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, cfg.Timeout, errTimeout)
		defer cancel()
	}
	r := &running{cfg: cfg, client: c, total: p.Size(), report: Report{Gone: p.Gone, Spared: p.Spared}}
	for _, i := range p.Gone {
		r.gone(i)
	}
	for _, l := range p.Spared {
		if !errors.Is(l.Err, errUnknown) {
			r.gone(l.Item) // what was made is gone, and something else is there
		}
	}
	for _, items := range [][]Item{p.Workspaces, p.Users, p.Keys} {
		begun := make([]bool, len(items))
		each(ctx, cfg.AtATime, len(items), func(i int) {
			begun[i] = true
			r.delete(ctx, items[i])
		})
		for i, item := range items {
			if !begun[i] {
				r.note(item, false, fmt.Errorf("%w: %w", errNotTried, context.Cause(ctx)))
			}
		}
	}
	return r.report
}

// running is a plan that is carried out.
type running struct {
	cfg    RunConfig
	client *coder.Client
	total  int

	mu     sync.Mutex
	done   int
	report Report
}

func (r *running) delete(ctx context.Context, item Item) {
	job := ctx
	if r.cfg.JobTimeout > 0 {
		var cancel context.CancelFunc
		job, cancel = context.WithTimeoutCause(ctx, r.cfg.JobTimeout, errJobTimeout)
		defer cancel()
	}
	var orphaned bool
	var err error
	switch item.Kind {
	case KindWorkspace:
		orphaned, err = DeleteWorkspace(job, r.client, item.ID, r.cfg.Options)
	case KindUser:
		err = DeleteUser(job, r.client, item.ID.String(), r.cfg.Options)
	case KindKey:
		user, id := item.keyParts()
		err = DeleteKey(job, r.client, user, id, r.cfg.Options)
	}
	if err != nil && job.Err() != nil && !errors.Is(err, context.Cause(job)) {
		err = fmt.Errorf("%w: %w", context.Cause(job), err)
	}
	r.note(item, orphaned, err)
}

func (r *running) note(item Item, orphaned bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		r.report.Left = append(r.report.Left, Left{item, err})
	case orphaned:
		r.report.Orphaned = append(r.report.Orphaned, item)
	default:
		r.report.Deleted = append(r.report.Deleted, item)
	}
	if err == nil {
		r.gone(item)
	}
	r.done++
	if r.cfg.Progress != nil {
		r.cfg.Progress(Progress{Item: item, Err: err, Orphaned: orphaned, Done: r.done, Total: r.total})
	}
}

func (r *running) gone(item Item) {
	if r.cfg.Ledger != nil && item.Run != "" {
		r.cfg.Ledger.Gone(item.Run, item.Kind, item.Name)
	}
}
