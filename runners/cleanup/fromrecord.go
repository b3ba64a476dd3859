package cleanup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness/ledger"
)

// RecordOptions choose from a ledger. The zero value takes all of it.
type RecordOptions struct {
	// Run is the only run whose things are deleted. "" means all.
	Run string

	// Settle is how long after the ledger's last line a request can still be on
	// its way: a process that is killed does not take back what it has sent. What
	// was intended and is not there is looked for again until then. 0 means 10 s,
	// less than 0 looks once.
	Settle time.Duration

	// AtATime is how many things are looked up at the same time. 0 means 4.
	AtATime int
}

var (
	errNotRunsID = errors.New("its name is not one that the run gives")
	errUnknown   = errors.New("this version does not know how to delete it")
	errAddress   = errors.New("its user does not have the address that scale tests give, " + emailDomain)
)

// FromRecord plans to delete what a ledger says is left, and nothing else. It
// looks up each thing: what was made goes by the ID that the ledger has; of what
// was only intended, the name must be one that the run gives; a user must have
// the address that belongs to the name. What is something else is spared.
//
// The ledger's deployment must be the client's: see [ledger.Header].
func FromRecord(ctx context.Context, c *coder.Client, rec *ledger.Record, o RecordOptions) (Plan, error) {
	if o.Settle == 0 {
		o.Settle = 10 * time.Second
	}
	if o.AtATime <= 0 {
		o.AtATime = 4
	}
	var look []*finding
	for _, e := range rec.Left {
		if o.Run == "" || e.Run == o.Run {
			look = append(look, &finding{entry: e, item: Item{Kind: e.Kind, Name: e.Name, Run: e.Run}})
		}
	}
	all, last := look, rec.Modified.Add(o.Settle)
	if latest := time.Now().Add(o.Settle); last.After(latest) {
		last = latest // the clock of the file system is ahead
	}
	for {
		again := time.Now().Before(last)
		if err := lookUp(ctx, c, o.AtATime, look); err != nil {
			return Plan{}, fmt.Errorf("look up what %s names: %w", rec.Path, err)
		}
		// Only what was never heard of again can still be on its way.
		var unheard []*finding
		for _, f := range look {
			if f.gone && f.entry.ID == "" && f.entry.Kind != KindKey {
				unheard = append(unheard, f)
			}
		}
		if look = unheard; len(look) == 0 || !again {
			break
		}
		if err := sleep(ctx, max(min(time.Until(last), o.Settle/5), time.Millisecond)); err != nil {
			return Plan{}, fmt.Errorf("look up what %s names: %w", rec.Path, context.Cause(ctx))
		}
	}
	var p Plan
	for _, f := range all {
		switch {
		case f.gone:
			p.Gone = append(p.Gone, f.item)
		case f.spared != nil:
			p.spare(f.item, f.spared)
		default:
			p.add(f.item)
		}
	}
	return p, nil
}

// finding is an entry of a ledger and what the deployment has of it.
type finding struct {
	entry  ledger.Entry
	item   Item
	gone   bool
	spared error
}

// lookUp looks all of them up.
func lookUp(ctx context.Context, c *coder.Client, atATime int, look []*finding) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	each(ctx, atATime, len(look), func(i int) {
		f := look[i]
		err := f.find(ctx, c)
		if f.gone = isGone(err); err != nil && !f.gone {
			cancel(err)
		}
	})
	return context.Cause(ctx)
}

// each calls f for the numbers from 0 to n, so many at a time, until the context
// is over.
func each(ctx context.Context, atATime, n int, f func(i int)) {
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(max(atATime, 1), n) {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()
}

func (f *finding) find(ctx context.Context, c *coder.Client) error {
	switch f.entry.Kind {
	case KindWorkspace:
		return f.findWorkspace(ctx, c)
	case KindUser:
		return f.findUser(ctx, c)
	case KindKey:
		user, id, ok := strings.Cut(f.entry.Name, "/")
		if !ok {
			f.spared = fmt.Errorf("%w: it is not the name of a key, want username/ID", errUnknown)
			return nil
		}
		_, err := c.Key(ctx, user, id)
		return err
	}
	f.spared = fmt.Errorf("%w: it is a %s", errUnknown, f.entry.Kind)
	return nil
}

func (f *finding) findWorkspace(ctx context.Context, c *coder.Client) error {
	owner, name, ok := strings.Cut(f.entry.Name, "/")
	if !ok {
		f.spared = fmt.Errorf("%w: it is not the name of a workspace, want owner/name", errUnknown)
		return nil
	}
	var w coder.Workspace
	id, err := f.recordedID()
	switch {
	case err != nil:
		return nil
	case id != uuid.Nil:
		w, err = c.Workspace(ctx, id) // by ID, because it may have been renamed
	default:
		w, err = c.WorkspaceByOwnerAndName(ctx, owner, name)
	}
	if err != nil {
		return err
	}
	switch f.item.ID = w.ID; {
	case prebuilt(w):
		f.spared = ErrPrebuilt
	case id == uuid.Nil && !namedByRun(w.Name, f.entry.Run):
		f.spared = errNotRunsID
	}
	return nil
}

func (f *finding) findUser(ctx context.Context, c *coder.Client) error {
	id, err := f.recordedID()
	if err != nil {
		return nil
	}
	user := f.entry.Name
	if id != uuid.Nil {
		user = id.String() // because it may have been renamed
	}
	u, err := c.User(ctx, user)
	if err != nil {
		return err
	}
	switch f.item.ID = u.ID; {
	case id == uuid.Nil && !namedByRun(u.Username, f.entry.Run):
		f.spared = errNotRunsID
	case !strings.EqualFold(u.Email, f.entry.Name+emailDomain):
		f.spared = errAddress
	}
	return nil
}

// recordedID is the ID that the ledger has, or Nil. One that is none spares the
// entry.
func (f *finding) recordedID() (uuid.UUID, error) {
	if f.entry.ID == "" {
		return uuid.Nil, nil
	}
	id, err := uuid.Parse(f.entry.ID)
	if err != nil {
		f.spared = fmt.Errorf("%w: the ledger has no valid ID for it: %w", errUnknown, err)
	}
	return id, err
}

// namedByRun reports whether a run gives this name: scaletest-<run>-<number>.
func namedByRun(name, run string) bool {
	number, ok := strings.CutPrefix(name, namePrefix+run+"-")
	return ok && run != "" && number != "" && strings.Trim(number, "0123456789") == ""
}
