package harness

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// disruptor does what the plan's disruptions ask for.
type disruptor struct {
	run   *Run
	once  sync.Once
	begun chan struct{} // closed when the load has begun
	begin time.Duration // of the load, since the epoch

	mu   sync.Mutex
	list []*disrupted
}

// disrupted is a disruption that has begun. Its fields belong to the disruptor's
// mutex once it is in the list.
type disrupted struct {
	Disruption
	scenarios []*scenarioRun // that ran then
	from      instant        // where "before" begins
	at        instant        // where it begins
	over      *instant       // where "after" begins; nil until then
	to        *instant       // where "after" ends; nil until then
	ended     time.Duration  // when it was done and undone, since the epoch
	recovered time.Duration  // since when all is as usual; 0 if it is not
	err       error
}

// instant is how all scenarios of a disruption stood.
type instant struct {
	at time.Duration // since the epoch
	of []*marks
}

// streak is how many seconds in a row must be as usual.
const streak = 3

var errDisruptionTimeout = errors.New("the disruption's timeout is over")

// loadBegins says when the load began. Only the first time counts: in a sequence
// there are several.
func (d *disruptor) loadBegins(at time.Duration) {
	d.once.Do(func() {
		d.begin = at
		close(d.begun)
	})
}

// disrupt does all disruptions in their order, until the load ends.
func (d *disruptor) disrupt(loadEnds <-chan struct{}) {
	select {
	case <-d.begun:
	case <-loadEnds:
		return
	}
	list := d.run.plan.Disruptions
	for i, dis := range list {
		if !d.wait(d.begin+dis.At, loadEnds) {
			break
		}
		next := uncut
		if i+1 < len(list) {
			next = d.begin + list[i+1].At
		}
		d.watch(d.start(dis), next, loadEnds)
	}
	<-loadEnds
	d.closeLast(d.run.now())
}

// wait returns false when the load ends before.
func (d *disruptor) wait(until time.Duration, loadEnds <-chan struct{}) bool {
	timer := time.NewTimer(max(until-d.run.now(), 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return !closed(loadEnds) && !d.run.stopping()
	case <-loadEnds:
	case <-d.run.stop:
	}
	return false
}

// start notes how things are when a disruption begins.
func (d *disruptor) start(dis Disruption) *disrupted {
	now := d.run.now()
	last := d.closeLast(now)
	cur := &disrupted{Disruption: dis, from: instant{at: now}}
	for _, s := range d.run.scenarios {
		if !s.running.Load() || s.ended.Load() {
			continue
		}
		cur.scenarios = append(cur.scenarios, s)
		cur.from.of = append(cur.from.of, s.fromMarks(last))
	}
	cur.at = cur.now(now)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, cur)
	return cur
}

// closeLast ends what came after the last disruption.
func (d *disruptor) closeLast(now time.Duration) *disrupted {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) == 0 {
		return nil
	}
	last := d.list[len(d.list)-1]
	end := last.now(now)
	if last.over == nil { // it lasted until now
		last.over = &end
	}
	last.to = &end
	return last
}

// fromMarks are where the time before a disruption begins.
func (s *scenarioRun) fromMarks(last *disrupted) *marks {
	if last != nil {
		for i, of := range last.scenarios {
			if of == s {
				return last.over.of[i]
			}
		}
	}
	return s.first.Load()
}

func (c *disrupted) now(now time.Duration) instant {
	in := instant{now, make([]*marks, len(c.scenarios))}
	for i, s := range c.scenarios {
		in.of[i] = s.fullMarks(now)
	}
	return in
}

// watch has it done and undone, and returns when it is recovered from, when the
// next one is to begin, or when the load ends.
func (d *disruptor) watch(cur *disrupted, next time.Duration, loadEnds <-chan struct{}) {
	usuals := make([]usual, len(cur.scenarios))
	for i := range usuals {
		usuals[i] = usualOf(window{cur.from.of[i], cur.at.of[i]})
	}
	acting := make(chan struct{})
	go func() {
		defer close(acting)
		d.act(cur, loadEnds)
	}()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	tooLate := time.NewTimer(max(next-d.run.now(), 0))
	defer tooLate.Stop()
	var ended instant
	last, since, good := cur.at, cur.at, 0 // all was as usual by then, and since
	isOver, late := false, false
	for {
		select {
		case <-acting:
			acting = nil
			ended = cur.now(d.run.now())
			d.mu.Lock()
			cur.ended = ended.at
			d.mu.Unlock()
		case <-ticker.C:
			now := cur.now(d.run.now())
			if !cur.asUsual(usuals, last, now) {
				good = 0
			} else if good++; good == 1 {
				since = now // some of what it disturbed may have ended in this second
			}
			last = now
		case <-tooLate.C:
			late = true
		case <-loadEnds:
			loadEnds, isOver = nil, true
		}
		if acting != nil {
			continue
		}
		switch {
		case good >= streak:
			d.recover(cur, since, ended)
			return
		case late:
			now := cur.now(d.run.now())
			d.mu.Lock()
			cur.over = &now
			d.mu.Unlock()
			return
		case isOver: // what was left of the load was during it
			return
		}
	}
}

// recover ends a disruption: all is as usual since then, and it ended at ended.
func (d *disruptor) recover(cur *disrupted, since, ended instant) {
	over := since
	if ended.at > since.at {
		over = ended
	}
	d.mu.Lock()
	cur.over, cur.recovered = &over, since.at
	d.mu.Unlock()
	d.run.phase("recovered from " + cur.Name)
}

// asUsual reports whether the second from last to now was.
func (c *disrupted) asUsual(usuals []usual, last, now instant) bool {
	for i, u := range usuals {
		if c.scenarios[i].ended.Load() {
			continue // it did what it had to
		}
		if !u.again(now.of[i].since(last.of[i])) {
			return false
		}
	}
	return true
}

// act does and undoes it.
func (d *disruptor) act(cur *disrupted, loadEnds <-chan struct{}) {
	d.run.phase("disruption " + cur.Name)
	began := d.run.now()
	err := d.call(cur, d.run.loadCtx, "doing it", cur.Do)
	if cur.Undo != nil {
		d.wait(began+cur.For, loadEnds)
		d.run.phase("undo " + cur.Name)
		// An abort must not leave the deployment broken.
		err = errors.Join(err, d.call(cur, context.WithoutCancel(d.run.loadCtx), "undoing it", cur.Undo))
	}
	d.mu.Lock()
	cur.err = err
	d.mu.Unlock()
}

// call calls a function of the user's, which may panic, or ignore its context.
func (d *disruptor) call(cur *disrupted, ctx context.Context, what string, f func(context.Context) error) error {
	if d.run.plan.Shard.Index > 0 {
		return nil // once is enough
	}
	timeout := cur.Timeout
	if timeout == 0 {
		timeout = disruptionTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errDisruptionTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := errGoexit
		defer func() {
			if v := recover(); v != nil {
				err = &PanicError{Value: v, Stack: string(debug.Stack())}
			}
			done <- err
		}()
		err = f(ctx)
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		timer := time.NewTimer(d.run.plan.Grace)
		defer timer.Stop()
		select {
		case err = <-done:
		case <-timer.C:
			err = fmt.Errorf("it did not return after its context was done (%w), and was left alone", context.Cause(ctx))
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// windows are the times of a scenario that belong to a phase of a disruption.
func (d *disruptor) windows(s *scenarioRun, p Phase) (out []window) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n, cur := range d.list {
		for i, of := range cur.scenarios {
			if of != s {
				continue
			}
			now := func(in *instant) *marks {
				if in == nil {
					return s.fullMarks(d.run.now())
				}
				return in.of[i]
			}
			switch {
			case p == Before && n == 0:
				out = append(out, window{cur.from.of[i], cur.at.of[i]})
			case p == During:
				out = append(out, window{cur.at.of[i], now(cur.over)})
			case p == After && cur.over != nil:
				out = append(out, window{cur.over.of[i], now(cur.to)})
			}
		}
	}
	return out
}

// active reports whether a disruption lasts.
func (d *disruptor) active() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.list) > 0 && d.list[len(d.list)-1].over == nil
}

// results are those of all disruptions that began.
func (d *disruptor) results() []DisruptionResult {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []DisruptionResult
	for _, cur := range d.list {
		r := DisruptionResult{
			Name: cur.Name, At: (cur.at.at - d.begin).Seconds(), Seconds: (cur.ended - cur.at.at).Seconds(),
			Recovered: cur.recovered > 0, Scenarios: []DisruptedScenario{},
		}
		if cur.err != nil {
			r.Error = cur.err.Error()
		}
		if r.Recovered {
			r.RecoverySeconds = (cur.recovered - cur.at.at).Seconds()
		}
		for i, s := range cur.scenarios {
			r.Scenarios = append(r.Scenarios, DisruptedScenario{
				Name:   s.Name,
				Before: window{cur.from.of[i], cur.at.of[i]}.part(),
				During: window{cur.at.of[i], cur.over.of[i]}.part(),
				After:  window{cur.over.of[i], cur.to.of[i]}.part(),
			})
		}
		out = append(out, r)
	}
	return out
}
