package harness

import (
	"context"
	"errors"
	"fmt"
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
	aborted   atomic.Bool
	watch     *selfWatch
	cleanup   CleanupResult
	problems  problems // of the harness and of the cleanup

	done   chan struct{}
	result *Result
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
	cancel  context.CancelFunc
	start   time.Duration // of the load, since the epoch
	ending  chan struct{} // closed when the load ends
	endOnce sync.Once

	ready     atomic.Int64 // users who are ready
	active    atomic.Int64 // users who run
	started   atomic.Int64
	succeeded atomic.Int64
	failed    atomic.Int64
	setupFail atomic.Int64
	cut       atomic.Int64 // interrupted by the end
	dropped   atomic.Int64
	stuck     atomic.Int64

	problems problems
	timeline []Second
	final    *totals
	loadTime time.Duration
}

type user struct {
	index     int
	runner    Runner
	rec       *Recorder
	ready     bool
	abandoned atomic.Bool
}

var (
	errStopped  = errors.New("the run was stopped")
	errAborted  = errors.New("the run was aborted")
	errTimeout  = errors.New("the run's time is over")
	errGraceful = errors.New("the graceful-stop time is over")
)

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
	// Values of ctx reach the runners; its end is translated into a stop.
	values := context.WithoutCancel(ctx)
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
		return nil, err
	}
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
		runner, err := s.Runner(i)
		if err != nil {
			return nil, fmt.Errorf("scenario %q: user %d: %w", s.Name, i, err)
		}
		if runner == nil {
			return nil, fmt.Errorf("scenario %q: user %d: Runner returned nil", s.Name, i)
		}
		u := &user{index: i, runner: runner}
		u.rec = &Recorder{run: r, scenario: sr, metrics: sr.setup, user: i}
		sr.users = append(sr.users, u)
	}
	sr.ctx, sr.cancel = context.WithCancel(r.loadCtx)
	return sr, nil
}

func (r *Run) now() time.Duration { return time.Since(r.epoch) }

// ID is the run's identity.
func (r *Run) ID() string { return r.plan.RunID }

// Stop lets no iteration start any more, gives those that run the
// graceful-stop time, and then cleans up. The verdict is [Interrupted]. It does
// not wait.
func (r *Run) Stop() { r.stopOnce.Do(func() { close(r.stop) }) }

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
	finished := make(chan struct{})
	var helpers sync.WaitGroup
	helpers.Go(func() {
		select {
		case <-ctx.Done():
			r.Stop()
		case <-finished:
		}
	})
	if r.plan.Timeout > 0 {
		timer := time.AfterFunc(r.plan.Timeout, func() { r.endLoad(errTimeout) })
		defer timer.Stop()
	}
	r.phase("setup")
	r.runSetup()
	r.phase("load")
	r.runLoad()
	r.endLoad(nil)
	r.phase("cleanup")
	r.runCleanup()
	r.cancelCleanup()
	close(finished)
	helpers.Wait()
	r.phase("done")
	r.result = r.makeResult()
}

func (r *Run) phase(name string) {
	if r.plan.OnPhase != nil {
		r.plan.OnPhase(name)
	}
}

// runSetup gets all runners ready.
func (r *Run) runSetup() {
	ctx, cancel := context.WithCancelCause(r.loadCtx)
	defer cancel(nil)
	ended := make(chan struct{})
	defer close(ended)
	go func() { // a stop during the setup waits for nobody
		select {
		case <-r.stop:
			cancel(errStopped)
		case <-ended:
		}
	}()
	var wg sync.WaitGroup
	for _, s := range r.scenarios {
		wg.Go(func() { s.runSetup(ctx) })
	}
	wg.Wait()
}

func (s *scenarioRun) runSetup(ctx context.Context) {
	atATime := s.SetupAtATime
	if atATime == 0 {
		atATime = 50
	}
	eachUser(s.users, atATime, func(u *user) {
		if ctx.Err() != nil {
			return
		}
		setuper, ok := u.runner.(Setuper)
		if ok {
			u.rec.from = s.run.now()
			jobCtx, cancel := context.WithTimeout(ctx, s.run.plan.SetupTimeout)
			err := s.run.call(jobCtx, s.label(u), func(ctx context.Context) error { return setuper.Setup(ctx, u.rec) })
			cancel()
			if err != nil {
				s.setupFailed(u, err, ctx)
				return
			}
		}
		u.ready = true
		s.ready.Add(1)
	})
}

// runLoad drives the schedules side by side and takes a snapshot each second.
func (r *Run) runLoad() {
	quit := make(chan struct{})
	var snapshots sync.WaitGroup
	snapshots.Go(func() { r.snapshots(quit) })
	start := r.now()
	var wg sync.WaitGroup
	for _, s := range r.scenarios {
		wg.Go(func() { s.runLoad(start + s.StartAfter) })
	}
	wg.Wait()
	close(quit)
	snapshots.Wait()
}

func (s *scenarioRun) runLoad(start time.Duration) {
	defer s.cancel()
	for _, u := range s.users {
		u.rec.metrics = s.metrics
	}
	if wait := start - s.run.now(); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.run.stop:
		case <-s.ctx.Done():
		}
	}
	s.start = start
	driven := make(chan struct{})
	var guard sync.WaitGroup
	guard.Go(func() { s.enforceEnd(driven) })
	if !s.run.stopping() && s.ctx.Err() == nil && s.ready.Load() > 0 {
		s.Schedule.drive(&driver{scenarioRun: s, stop: s.run.stop})
	}
	s.end()
	close(driven)
	guard.Wait()
	s.loadTime = s.run.now() - start
	s.final = s.metrics.totals()
}

// enforceEnd gives iterations the graceful-stop time after the load's end.
func (s *scenarioRun) enforceEnd(driven <-chan struct{}) {
	select {
	case <-driven:
		return
	case <-s.ctx.Done():
	case <-s.run.stop:
	case <-s.ending:
	}
	s.end()
	timer := time.NewTimer(s.run.plan.GracefulStop)
	defer timer.Stop()
	select {
	case <-driven:
	case <-timer.C:
		s.cancel()
	}
}

// end closes the recorders' Done.
func (s *scenarioRun) end() { s.endOnce.Do(func() { close(s.ending) }) }

// runCleanup cleans up after every runner that was made.
func (r *Run) runCleanup() {
	ctx, cancel := context.WithTimeout(r.cleanupCtx, r.plan.CleanupTimeout)
	defer cancel()
	start := r.now()
	var wg sync.WaitGroup
	var failed, cleaned, skipped atomic.Int64
	for _, s := range r.scenarios {
		atATime := s.CleanupAtATime
		if atATime == 0 {
			atATime = 50
		}
		wg.Go(func() {
			eachUser(s.users, atATime, func(u *user) {
				cleaner, ok := u.runner.(Cleaner)
				if !ok {
					return
				}
				if ctx.Err() != nil {
					skipped.Add(1)
					return
				}
				jobCtx, cancel := context.WithTimeout(ctx, r.plan.CleanupJobTimeout)
				defer cancel()
				if err := r.call(jobCtx, s.label(u), cleaner.Cleanup); err != nil {
					failed.Add(1)
					r.problems.add(Failure{Scenario: s.Name, User: u.index, Phase: "cleanup", Error: err.Error(), Stack: stackOf(err)})
					return
				}
				cleaned.Add(1)
			})
		})
	}
	wg.Wait()
	r.cleanup = CleanupResult{
		Cleaned: cleaned.Load(), Failed: failed.Load(), Skipped: skipped.Load(),
		Seconds: (r.now() - start).Seconds(),
	}
}

// eachUser calls f for all users, atATime at a time.
func eachUser(users []*user, atATime int, f func(*user)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(atATime, len(users)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(users) {
					return
				}
				f(users[i])
			}
		})
	}
	wg.Wait()
}
