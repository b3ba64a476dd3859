package runners

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
)

// The metrics of [AutostartConfig], besides those of builds that
// [CreateWorkspacesConfig] has too.
var (
	// AutostartDelay is the time from the scheduled minute until the server has
	// begun a build.
	AutostartDelay = harness.NewAction("autostart_delay")
	// AutostartReady is the time from the scheduled minute until the agents are
	// ready.
	AutostartReady = harness.NewAction("autostart_ready")
)

// AutostartConfig configures workspaces that start by themselves, all at the
// same minute, as those of a company do in the morning. [Autostart] is the short
// form.
//
// What one does: it stops its workspace, gives it a schedule, waits for the
// minute and for the build that the server begins then, and for the agents. The
// server looks at its schedules once a minute, so that a delay of up to a
// minute is its normal way.
//
// Metrics: autostart_delay, autostart_ready; build_create, build_queue,
// build_run, agent_connect, agent_ready.
//
// Its cleanup gives the workspace the schedule back that it had before.
type AutostartConfig struct {
	// Workspaces are started: user i's is workspace i. The template must allow
	// schedules of its users' own.
	Workspaces []Workspace

	// Delay is how far ahead the minute is set, so that all workspaces are
	// stopped by then. 0 means 2 minutes; less is refused, because the server
	// could miss it.
	Delay time.Duration

	// Timeout bounds the wait behind the minute. 0 means 15 minutes.
	Timeout time.Duration

	// Now is the time by which the minute is picked. Nil is the clock, corrected
	// by the server's.
	Now func() time.Time
}

// Autostart makes runners for workspaces that start by schedule, see
// [AutostartConfig]. It is AutostartConfig{Workspaces: w}.Runner().
func Autostart(workspaces []Workspace) func(user int) (harness.Runner, error) {
	return AutostartConfig{Workspaces: workspaces}.Runner()
}

// shortestAutostart is the least delay: the minute is cut off, and the server
// looks once a minute.
const shortestAutostart = 2 * time.Minute

// Validate reports everything that is wrong with the configuration.
func (c AutostartConfig) Validate() error {
	var errs []error
	if c.Delay != 0 && c.Delay < shortestAutostart {
		errs = append(errs, fmt.Errorf("autostart: Delay is %v, want 0 (the default) or at least %v", c.Delay, shortestAutostart))
	}
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("autostart: Timeout is %v, want 0 (the default) or more", c.Timeout))
	}
	return errors.Join(errs...)
}

// Runner returns what harness.Scenario.Runner takes.
func (c AutostartConfig) Runner() func(user int) (harness.Runner, error) {
	err := c.Validate()
	if c.Delay == 0 {
		c.Delay = shortestAutostart
	}
	if c.Timeout == 0 {
		c.Timeout = 15 * time.Minute
	}
	return func(user int) (harness.Runner, error) {
		if err != nil {
			return nil, err
		}
		if user >= len(c.Workspaces) {
			return nil, fmt.Errorf("autostart: there are only %d workspaces: give the schedule fewer users", len(c.Workspaces))
		}
		return &autostarter{cfg: c, workspace: c.Workspaces[user]}, nil
	}
}

// autostarter lets one workspace start by schedule.
type autostarter struct {
	cfg       AutostartConfig
	workspace Workspace
	before    string // the schedule
	changed   bool
	clock     coder.ClockOffset
}

// Setup looks which schedule there is, and how the server's clock goes.
func (a *autostarter) Setup(ctx context.Context, _ *harness.Recorder) error {
	w, err := a.workspace.Client.Workspace(ctx, a.workspace.ID)
	if err != nil {
		return err
	}
	a.before = w.AutostartSchedule
	if a.cfg.Now == nil {
		a.clock, err = a.workspace.Client.ClockOffset(ctx)
	}
	return err
}

func (a *autostarter) now() time.Time {
	if a.cfg.Now != nil {
		return a.cfg.Now()
	}
	return time.Now().Add(a.clock.Ahead)
}

// Run stops the workspace and lets the server start it.
func (a *autostarter) Run(ctx context.Context, rec *harness.Recorder) error {
	err := a.run(ctx, rec)
	if err != nil {
		return fmt.Errorf("autostart workspace %s: %w", a.workspace.Name, err)
	}
	return nil
}

func (a *autostarter) run(ctx context.Context, rec *harness.Recorder) error {
	c := a.workspace.Client
	stopper := builder{cfg: BuildConfig{Kind: StopBuild}, workspace: a.workspace}
	if err := stopper.build(ctx, rec, coder.CreateBuildRequest{Transition: coder.TransitionStop}); err != nil {
		return err
	}
	w, err := c.Workspace(ctx, a.workspace.ID)
	if err != nil {
		return err
	}
	stopped := w.LatestBuild.ID
	minute := a.now().Add(a.cfg.Delay).UTC().Truncate(time.Minute)
	a.changed = true
	if err := c.SetAutostart(ctx, a.workspace.ID, schedule(minute)); err != nil {
		return err
	}
	rec.Logf("%s is to start at %v", a.workspace.Name, minute)
	limit, cancel := context.WithTimeoutCause(ctx, minute.Sub(a.now())+a.cfg.Timeout,
		fmt.Errorf("nothing was built within %v of %v", a.cfg.Timeout, minute))
	defer cancel()
	build, err := a.begun(limit, stopped)
	if err != nil {
		rec.Record(AutostartDelay, 0, 0, err)
		return err
	}
	delay := max(build.Job.CreatedAt.Sub(minute), 0)
	rec.Record(AutostartDelay, delay, delay, nil)
	if build, err = awaitBuild(limit, rec, c, build.ID, 0); err == nil {
		_, err = awaitAgents(limit, rec, c, a.workspace.ID, build, 0)
	}
	whole := max(a.now().Sub(minute), 0)
	rec.Record(AutostartReady, whole, whole, err)
	return err
}

// schedule is every day at this minute, in UTC.
func schedule(minute time.Time) string {
	return fmt.Sprintf("CRON_TZ=UTC %d %d * * *", minute.Minute(), minute.Hour())
}

// begun waits for a build after the one that stopped it.
func (a *autostarter) begun(ctx context.Context, stopped uuid.UUID) (coder.Build, error) {
	// The delay is taken from the server's times, so this is not how exactly it is
	// known.
	tick := time.NewTicker(a.workspace.Client.PollInterval())
	defer tick.Stop()
	for {
		w, err := a.workspace.Client.Workspace(ctx, a.workspace.ID)
		if err != nil && ctx.Err() == nil {
			return coder.Build{}, err
		}
		if err == nil && w.LatestBuild.ID != stopped {
			return w.LatestBuild, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return coder.Build{}, context.Cause(ctx)
		}
	}
}

// Cleanup gives the schedule back.
func (a *autostarter) Cleanup(ctx context.Context) error {
	if !a.changed {
		return nil
	}
	return a.workspace.Client.SetAutostart(ctx, a.workspace.ID, a.before)
}
