package harness

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"
)

// Run is a run that [Start] began.
type Run struct {
	plan  Plan
	epoch time.Time

	loadCtx       context.Context // done when iterations must end
	endLoad       context.CancelCauseFunc
	cleanupCtx    context.Context
	cancelCleanup context.CancelFunc

	scenarios []*scenarioRun
	stop      chan struct{} // no new iterations
	stopOnce  sync.Once
	cutoff    atomic.Int64 // when the load was cut short, since the epoch
	aborted   atomic.Bool
	broken    atomic.Pointer[string] // the threshold that ended the load
	barred    atomic.Pointer[string] // why there was no load
	stopped   bool                   // before the load had ended by itself
	stacks    stacks
	watch     *selfWatch
	disruptor *disruptor
	observing *observing // nil without an observer
	stream    *stream    // nil without a writer for it
	phaseMu   sync.Mutex // disruptions are phases beside the load
	phases    []PhaseMark
	zero      time.Duration // of the timelines, since the epoch
	cleanup   CleanupResult
	problems  problems // of the harness and of the cleanup

	done   chan struct{}
	result *Result
	span   Span // nil without a tracer
}

// scenarioRun is a scenario that runs.
type scenarioRun struct {
	Scenario
	run     *Run
	index   int
	users   []*user
	setup   *metrics
	metrics *metrics

	ctx     context.Context // of iterations
	cancel  context.CancelCauseFunc
	start   time.Duration // of the load, since the epoch
	ending  chan struct{} // closed when the load ends
	endOnce sync.Once

	begun     atomic.Bool  // its load, or the setup before a late one
	running   atomic.Bool  // its load has begun, and start says when
	ended     atomic.Bool  // its load
	ready     atomic.Int64 // users who are ready
	active    atomic.Int64 // users who run
	setupFail atomic.Int64
	counts    [parts]counts
	parted    *parted // nil when all of the load counts

	own         atomic.Int64 // failures that count, for want of something of this machine
	ownSetup    atomic.Int64 // users who did not get ready for want of it
	tooLate     atomic.Int64 // measurements after the numbers were final
	frozen      atomic.Bool  // they are
	connections connections
	first       atomic.Pointer[marks] // where what counts begins, for disruptions

	problems problems
	timeline []Second
	totalsMu sync.Mutex
	final    *[parts]*partSums // once the load has ended
	all      *totals           // of all parts
	loadTime time.Duration     // that counts
	ran      time.Duration     // when the load had ended, since the epoch
	timedOut bool              // before its load had ended
	span     Span              // nil without a tracer
}

type user struct {
	index     int
	label     string          // of its goroutines
	labels    context.Context // carries the label, made once
	runner    Runner
	rec       *Recorder
	worker    *worker // nil unless it runs iterations
	ready     bool
	abandoned atomic.Bool
}

var (
	errStopped           = errors.New("the run was stopped")
	errAborted           = errors.New("the run was aborted")
	errTimeout           = errors.New("the plan's timeout is over")
	errRampDown          = errors.New("the time to finish after the ramp-down is over")
	errGraceful          = errors.New("the graceful-stop time is over")
	errSetupTimeout      = errors.New("the setup's timeout is over")
	errJobTimeout        = errors.New("the iteration's timeout is over")
	errCleanupTimeout    = errors.New("the timeout of the whole cleanup is over")
	errCleanupJobTimeout = errors.New("the cleanup's timeout is over")
)

// uncut is the cutoff of a load that runs to its end.
const uncut = time.Duration(math.MaxInt64)

// Start checks the plan, makes the runners, and begins. Nothing has happened
// when it returns an error. When ctx is done, the run is stopped as by
// [Run.Stop].
func Start(ctx context.Context, plan Plan) (*Run, error) {
	if err := plan.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := &Run{
		plan:  plan.withDefaults(),
		epoch: time.Now(),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	r.cutoff.Store(int64(uncut))
	// Values of ctx reach the runners; its end is translated into a stop.
	values, span := r.trace(context.WithoutCancel(ctx), SpanInfo{Kind: SpanRun, Name: r.plan.Name, User: -1, Iteration: -1})
	r.span = span
	r.loadCtx, r.endLoad = context.WithCancelCause(values)
	r.cleanupCtx, r.cancelCleanup = context.WithCancel(values)
	var errs []error
	for i, s := range r.plan.Scenarios {
		sr, err := r.newScenario(i, s)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		r.scenarios = append(r.scenarios, sr)
	}
	if err := errors.Join(errs...); err != nil {
		r.endLoad(errAborted)
		r.cancelCleanup()
		endSpan(r.span, err, false)
		return nil, err
	}
	r.disruptor = &disruptor{run: r, begun: make(chan struct{})}
	r.watch = newSelfWatch()
	go r.main(ctx)
	return r, nil
}

func (r *Run) newScenario(index int, s Scenario) (*scenarioRun, error) {
	sr := &scenarioRun{
		Scenario: s, run: r, index: index,
		setup: newMetrics(), metrics: newMetrics(),
		ending: make(chan struct{}),
	}
	for i := range s.Schedule.Users() {
		if !r.plan.Shard.Has(i) {
			continue
		}
		runner, err := s.Runner(i)
		if err != nil {
			return nil, fmt.Errorf("scenario %q: user %d: %w", s.Name, i, err)
		}
		if runner == nil {
			return nil, fmt.Errorf("scenario %q: user %d: Runner returned nil", s.Name, i)
		}
		u := &user{index: i, runner: runner, label: fmt.Sprintf("%s/%s/%d", r.plan.RunID, s.Name, i)}
		u.labels = pprof.WithLabels(r.loadCtx, pprof.Labels(labelKey, u.label))
		u.rec = &Recorder{run: r, scenario: sr, user: i}
		u.rec.metrics.Store(sr.setup)
		sr.users = append(sr.users, u)
	}
	if s.WarmUp > 0 || s.CoolDown > 0 {
		sr.parted = newParted()
	}
	sr.connections.wanted = len(r.plan.Disruptions) > 0
	sr.ctx, sr.cancel = context.WithCancelCause(r.loadCtx)
	return sr, nil
}

func (r *Run) now() time.Duration { return time.Since(r.epoch) }

// ID is the run's identity.
func (r *Run) ID() string { return r.plan.RunID }

// Stop lets no iteration start any more, gives those that run the
// graceful-stop time, and then cleans up. The verdict is [Interrupted], unless
// the load had already ended by itself. It does not wait.
func (r *Run) Stop() {
	r.stopOnce.Do(func() {
		r.cut()
		close(r.stop)
	})
}

// cut notes the instant after which nothing was meant to start.
func (r *Run) cut() { r.cutoff.CompareAndSwap(int64(uncut), int64(r.now())) }

// Abort goes straight to the result: what runs is cancelled, and so is the
// cleanup. It does not wait.
func (r *Run) Abort() {
	r.aborted.Store(true)
	r.Stop()
	r.endLoad(errAborted)
	r.cancelCleanup()
}

// Done is closed when the result is there.
func (r *Run) Done() <-chan struct{} { return r.done }

// Wait returns the result when the run has ended and is cleaned up.
func (r *Run) Wait() *Result {
	<-r.done
	return r.result
}

func (r *Run) stopping() bool {
	select {
	case <-r.stop:
		return true
	default:
		return false
	}
}

// main is the life of the run.
func (r *Run) main(ctx context.Context) {
	defer close(r.done)
	unwatch := context.AfterFunc(ctx, r.Stop)
	defer unwatch()
	if r.plan.Timeout > 0 {
		timer := time.AfterFunc(r.plan.Timeout, func() {
			r.cut()
			r.endLoad(errTimeout)
		})
		defer timer.Stop()
	}
	r.stream = r.openStream()
	r.watch.tell = r.stream.second
	r.observing = r.observe(r.cleanupCtx)
	if r.plan.Sequence {
		r.runSequence()
	} else {
		r.runTogether()
	}
	r.stopped = r.stopping() && r.broken.Load() == nil
	r.endLoad(nil)
	r.phase("cleanup")
	r.runCleanup()
	r.cancelCleanup()
	r.observing.end()
	r.phase("done")
	r.result = r.makeResult()
	r.stream.finish(r.result)
	endSpan(r.span, verdictError(r.result), false)
}

func (r *Run) phase(name string) {
	r.phaseMu.Lock()
	defer r.phaseMu.Unlock()
	r.phases = append(r.phases, PhaseMark{name, thousandths(r.now().Seconds())})
	r.stream.phase(name)
	if r.plan.OnPhase != nil {
		r.plan.OnPhase(name)
	}
}
