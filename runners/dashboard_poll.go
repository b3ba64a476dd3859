package runners

import (
	"context"
	"net/http"
	"time"
)

const (
	pollBusyList = 5 * time.Second  // the list of workspaces, while there is a build
	pollIdleList = 30 * time.Second // otherwise
	pollPorts    = 5 * time.Second
	pollHealth   = 30 * time.Second
	pollTasks    = time.Minute
	leastStats   = 5 * time.Second // when the server's clock and ours differ
)

// poll is something that is asked for again and again. An instant that passes
// while the answer is still out is skipped, as browsers do.
type poll struct {
	call *pageCall
	path string
	into func() (into any, every func() time.Duration) // nil: every stays the same

	every time.Duration
	next  time.Time
	busy  bool
}

// startPoll adds a poll to a page, or with nil to the whole visit.
func (v *visit) startPoll(page *openPage, p *poll, from time.Time) {
	if v.group.cfg.NoPolls {
		return
	}
	v.mu.Lock()
	v.after(p, from)
	if page == nil {
		v.polls = append(v.polls, p)
	} else {
		page.polls = append(page.polls, p)
	}
	v.mu.Unlock()
	v.changed()
}

// firePolls makes the calls that are due, and returns when the next one is: zero
// means never.
func (v *visit) firePolls(now time.Time) (due time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, list := range [2][]*poll{v.polls, v.page.polls} {
		for _, p := range list {
			switch {
			case p.busy || v.ended != nil:
				continue
			case p.next.Before(v.notBefore):
				p.next = v.notBefore
			}
			if !now.Before(p.next) {
				p.busy = true
				wanted := p.next
				v.group.lag.add(now.Sub(wanted))
				v.work.Go(func() { v.poll(v.ctx, p, wanted) })
				continue
			}
			if due.IsZero() || p.next.Before(due) {
				due = p.next
			}
		}
	}
	return due
}

// poll makes one call of a poll and says when the next one is due.
func (v *visit) poll(ctx context.Context, p *poll, wanted time.Time) {
	v.rec.Add(dashboardPolls, 1)
	var into any
	var every func() time.Duration
	if p.into != nil {
		into, every = p.into()
	}
	err := v.ask(ctx, p.call, wanted, http.MethodGet, p.path, "", into)
	if err == errAbsent {
		return // busy for ever
	}
	v.mu.Lock()
	if err == nil && every != nil {
		p.every = every()
	}
	v.after(p, wanted)
	p.busy = false
	v.mu.Unlock()
	v.changed()
}

// after sets when a poll is due that was due before at an instant.
func (v *visit) after(p *poll, last time.Time) {
	p.next = last.Add(p.every)
	if late := time.Since(p.next); late > 0 {
		skipped := late/p.every + 1
		p.next = p.next.Add(skipped * p.every)
		v.rec.Add(dashboardPollsSkipped, int64(skipped))
	}
}
