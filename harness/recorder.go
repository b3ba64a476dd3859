package harness

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Recorder is where a runner puts what it measures. It belongs to one user;
// Do, Pause, Rand, Iteration and Intended are for the goroutine that Run is called
// on; the rest may be called from any.
type Recorder struct {
	run      *Run
	scenario *scenarioRun
	metrics  atomic.Pointer[metrics] // of the load, or of the setup
	stint    atomic.Pointer[stint]   // nil: as long as the load
	user     int
	log      boundedLog
	rng      *rand.Rand

	iteration int
	intended  time.Duration // since the run's epoch
	from      time.Duration // from which the next action's response time counts
	failures  atomic.Int64  // actions of this iteration that failed

	_ [64]byte // a neighbour on another core would share the line that Do writes
}

// begin begins an iteration.
func (r *Recorder) begin(intended time.Duration) {
	r.intended, r.from = intended, intended
	r.failures.Store(0)
}

// Do runs f and records how long it took. The first action of an iteration is
// measured from the iteration's intended start, each later one from the end of
// the one before, whether that failed or not. A failure is counted, and its time
// is not mixed with those of the successes. One that only comes from the end of
// the load is not counted. Do returns f's error.
func (r *Recorder) Do(ctx context.Context, a Action, f func(context.Context) error) error {
	if r.run.plan.Tracer != nil {
		start, end, err := r.doTraced(ctx, a, f)
		r.record(a, r.from, end, end-start, err)
		r.from = end
		return err
	}
	start := r.run.now()
	err := f(ctx)
	end := r.run.now()
	r.record(a, r.from, end, end-start, err)
	r.from = end
	return err
}

// Record adds a measurement that the runner made itself. With an error it
// counts as a failure, by the same rules as in [Recorder.Do].
func (r *Recorder) Record(a Action, response, service time.Duration, err error) {
	end := r.now()
	r.record(a, end-response, end, service, err)
}

// record adds what was meant to begin at from.
func (r *Recorder) record(a Action, from, end, service time.Duration, err error) {
	if err != nil {
		if r.isCut(err) {
			return
		}
		r.failures.Add(1)
	}
	if r.scenario.frozen.Load() {
		r.scenario.tooLate.Add(1)
	}
	m := r.metricsOf(from, end, err != nil)
	m.record(a, end-from, service, err != nil)
	if err != nil && m == r.scenario.metrics && isOwn(err) {
		r.scenario.own.Add(1)
	}
}

// metricsOf is where the numbers of what began and ended at these instants go.
func (r *Recorder) metricsOf(from, end time.Duration, failed bool) *metrics {
	m := r.metrics.Load()
	if s := r.scenario; s.parted != nil && m == s.metrics {
		return s.metricsOf(s.partOf(from, end, failed))
	}
	return m
}

// now spares loads that all count a look at the clock.
func (r *Recorder) now() time.Duration {
	if r.scenario.parted == nil {
		return 0
	}
	return r.run.now()
}

// isCut reports whether an action failed because the load, or a setup that was
// stopped, ended it.
func (r *Recorder) isCut(err error) bool {
	stopped := r.run.stopping() && r.metrics.Load() == r.scenario.setup
	return stopped || isCut(r.load(), err)
}

// stint is the time that a user is there for, when it leaves before the others.
type stint struct {
	ctx  context.Context // of iterations
	done <-chan struct{} // closed when the user is to leave
}

// load is the context of the user's iterations.
func (r *Recorder) load() context.Context {
	if s := r.stint.Load(); s != nil {
		return s.ctx
	}
	return r.scenario.ctx
}

// Pause says that the time until now was nobody's wait: think time, or waiting
// for others. The next action is measured from now on.
func (r *Recorder) Pause() { r.from = r.run.now() }

// Add adds to a counter. Adding 0 says that it is counted here, so that a
// threshold on it finds that nothing happened.
func (r *Recorder) Add(c Counter, n int64) {
	now := r.now()
	r.metricsOf(now, now, false).count(c, n)
}

// Observe adds the numbers of something that measures on its own. The same
// source is added once, whoever brings it, and counts for the load, also when
// it is brought by a Setup.
func (r *Recorder) Observe(s Source) { r.scenario.metrics.observe(s) }

// Logf writes a line to the user's log, of which the last 64 KiB are kept and
// shown if a run of this user fails.
func (r *Recorder) Logf(format string, args ...any) {
	r.log.printf(r.run.now(), format, args...)
}

// Warn puts a remark into the result, once for each text: something that a
// reader of the numbers must know.
func (r *Recorder) Warn(text string) { r.scenario.problems.warn(text) }

// Done is closed when the load ends, or this user is to leave before: finish what
// you are doing and return.
func (r *Recorder) Done() <-chan struct{} {
	if s := r.stint.Load(); s != nil {
		return s.done
	}
	return r.scenario.ending
}

// RunID is the run's identity. Names of what a runner creates carry it.
func (r *Recorder) RunID() string { return r.run.plan.RunID }

// Shard is the part of the run that this process issues. Names that processes count
// up must be told apart by it, because their runs have one ID.
func (r *Recorder) Shard() Shard { return r.run.plan.Shard }

// User is the user's index, from 0.
func (r *Recorder) User() int { return r.user }

// Iteration is the number of this user's iteration, from 0.
func (r *Recorder) Iteration() int { return r.iteration }

// Intended is the instant at which this iteration was meant to start.
func (r *Recorder) Intended() time.Time { return r.run.epoch.Add(r.intended) }

// RunSeed is the plan's seed, the same for all users.
func (r *Recorder) RunSeed() uint64 { return r.run.plan.Seed }

// Seed is the user's own seed, derived from the plan's.
func (r *Recorder) Seed() uint64 { return userSeed(r.run.plan.Seed, r.scenario.index, r.user) }

// Rand is the user's own source of randomness, derived from the plan's seed.
func (r *Recorder) Rand() *rand.Rand {
	if r.rng == nil {
		r.rng = rand.New(rand.NewPCG(r.Seed(), 0))
	}
	return r.rng
}

// userSeed mixes by SplitMix64's finalizer, so that neighbours differ.
func userSeed(seed uint64, scenario, user int) uint64 {
	z := seed + uint64(scenario)*0xd1342543de82ef95 + uint64(user+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
