package harness

import (
	"context"
	"time"
)

// recover waits until the deployment has recovered from the probe that broke. It
// reports whether that could be told.
func (x *searching) recover(ctx context.Context) (checked bool, h *halt) {
	lowest := x.tallies[x.from]
	if x.Recovered == nil && lowest.held <= lowest.broke {
		return false, nil // nothing is known to hold
	}
	broken := &x.limit.Probes[x.broken-1]
	load, ended := broken.Load, broken.StartedAt.Add(seconds(broken.Seconds))
	r := &Recovery{Failed: []string{}}
	broken.Recovery = r // the probes may move while it is filled in
	x.recovering = load
	defer func() { x.recovering = 0 }()
	for wait := x.Rest; ; wait = max(2*wait, time.Second) {
		var wrong string
		if x.Recovered != nil {
			wrong, h = x.ask(ctx, wait)
		} else {
			wrong, h = x.check(ctx, wait)
		}
		if h != nil {
			return true, h
		}
		r.Seconds = x.checked.Sub(ended).Seconds()
		if wrong == "" {
			r.Recovered = true
			return true, nil
		}
		r.Failed = append(r.Failed, wrong)
		if len(r.Failed) >= x.Patience {
			return true, x.unrecovered(load, r)
		}
	}
}

// ask lets the caller say what is still wrong, or "".
func (x *searching) ask(ctx context.Context, wait time.Duration) (wrong string, h *halt) {
	if h := x.afford(wait, 0, x.From); h != nil {
		return "", h
	}
	if h := x.wait(ctx, wait); h != nil {
		return "", h
	}
	x.checked = time.Now()
	err := x.Recovered(ctx)
	if ctx.Err() != nil {
		return "", interrupted(ctx)
	}
	if err != nil {
		return oneLine(err), nil
	}
	return "", nil
}

// check runs the lowest load, and says what is wrong with that, or "".
func (x *searching) check(ctx context.Context, wait time.Duration) (wrong string, h *halt) {
	p, h := x.run(ctx, x.From, wait, true)
	if h != nil {
		return "", h
	}
	x.checked = p.StartedAt
	if p.Outcome == Held {
		return "", nil
	}
	return first(p.Reasons), nil
}

// unrecovered is the end of a search after the last check.
func (x *searching) unrecovered(load float64, r *Recovery) *halt {
	last := r.Failed[len(r.Failed)-1]
	after := roundDuration(seconds(r.Seconds))
	switch {
	case x.Recovered != nil:
		return halted(StopNotRecovered, "did not recover within %v from %s: %s", after, x.Amount(load), last)
	case x.limit.Probes[len(x.limit.Probes)-1].Outcome == Uncounted:
		return halted(StopGenerator, "whether it has recovered from %s can't be told, because at %s the generator was the limit: %s",
			x.Amount(load), x.Amount(x.From), last)
	}
	return halted(StopNotRecovered, "did not recover within %v from %s: %s, which held before, no longer hold: %s",
		after, x.Amount(load), x.Amount(x.From), last)
}
