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

// The metrics of [BuildConfig], besides those of builds that
// [CreateWorkspacesConfig] has too.
var (
	// BuildCreate is the call that asks for a build.
	BuildCreate = harness.NewAction("build_create")
	// BuildStart is the way of a stopped workspace to ready agents, BuildStop that
	// of a running one to a standstill, BuildRestart both, and BuildUpdate the way
	// to another template version; from the instant at which they were meant to
	// begin.
	BuildStart   = harness.NewAction("build_start")
	BuildStop    = harness.NewAction("build_stop")
	BuildRestart = harness.NewAction("build_restart")
	BuildUpdate  = harness.NewAction("build_update")
)

// BuildKind is what is done with a workspace.
type BuildKind string

// Kinds of [BuildConfig].
const (
	// StartBuild starts a workspace. One that runs already is started again, which
	// the server accepts.
	StartBuild BuildKind = "start"
	// StopBuild stops a workspace.
	StopBuild BuildKind = "stop"
	// RestartBuild stops a workspace and starts it again.
	RestartBuild BuildKind = "restart"
	// UpdateBuild starts a workspace with the template's active version, or
	// another one.
	UpdateBuild BuildKind = "update"
)

// BuildConfig configures people who start, stop, restart or update workspaces
// that exist. [Build] is the short form.
//
// What one does: at each iteration it asks for the builds of its workspace, one
// after the other, and waits for each, and after a start for the agents. All at
// once they are a storm, such as the one at nine in the morning. A workspace
// whose latest build is active is waited for first.
//
// Metrics: build_start, build_stop, build_restart or build_update; build_create,
// build_queue, build_run, agent_connect, agent_ready.
//
// Its cleanup brings the workspace back to how it was: running or stopped, if
// Restore is set. Workspaces are never deleted.
type BuildConfig struct {
	// Workspaces are built: user i builds workspace i. Their agents don't matter.
	Workspaces []Workspace

	// Kind is what is done.
	Kind BuildKind

	// Version is the template version of an update. Nil is the active one.
	Version uuid.UUID

	// Parameters are values for the builds that start.
	Parameters []coder.BuildParameter

	// NoWaitForAgents is content with builds that succeeded.
	NoWaitForAgents bool

	// BuildTimeout bounds one build, its queue included, and AgentTimeout the
	// wait for the agents. 0 is no limit but that of the iteration.
	BuildTimeout, AgentTimeout time.Duration

	// Restore starts or stops workspaces again at the end, as they were before.
	Restore bool
}

// Build makes runners that build a workspace each, see [BuildConfig]. It is
// BuildConfig{Workspaces: w, Kind: kind}.Runner().
func Build(workspaces []Workspace, kind BuildKind) func(user int) (harness.Runner, error) {
	return BuildConfig{Workspaces: workspaces, Kind: kind}.Runner()
}

// Validate reports everything that is wrong with the configuration.
func (c BuildConfig) Validate() error {
	var errs []error
	switch c.Kind {
	case StartBuild, StopBuild, RestartBuild, UpdateBuild:
	default:
		errs = append(errs, fmt.Errorf("build: the kind is %q, want start, stop, restart or update", c.Kind))
	}
	if c.Version != uuid.Nil && c.Kind != UpdateBuild {
		errs = append(errs, fmt.Errorf("build: a version is for an update, not for a %s", c.Kind))
	}
	if c.BuildTimeout < 0 || c.AgentTimeout < 0 {
		errs = append(errs, errors.New("build: a timeout is negative, want 0 (no limit) or more"))
	}
	return errors.Join(errs...)
}

// Runner returns what harness.Scenario.Runner takes.
func (c BuildConfig) Runner() func(user int) (harness.Runner, error) {
	err := c.Validate()
	return func(user int) (harness.Runner, error) {
		if err != nil {
			return nil, err
		}
		if user >= len(c.Workspaces) {
			return nil, fmt.Errorf("build: there are only %d workspaces: give the schedule fewer users", len(c.Workspaces))
		}
		w := c.Workspaces[user]
		if w.Client == nil || w.ID == uuid.Nil {
			return nil, fmt.Errorf("build: workspace %s has no client or no ID", w.Name)
		}
		return &builder{cfg: c, workspace: w}, nil
	}
}

// builder builds one workspace.
type builder struct {
	cfg       BuildConfig
	workspace Workspace
	before    string // the transition that the workspace was left by
}

// Setup looks how the workspace is, so that it can be put back.
func (b *builder) Setup(ctx context.Context, _ *harness.Recorder) error {
	w, err := b.workspace.Client.Workspace(ctx, b.workspace.ID)
	if err != nil {
		return err
	}
	b.before = w.LatestBuild.Transition
	return nil
}

// Run does the builds.
func (b *builder) Run(ctx context.Context, rec *harness.Recorder) error {
	began := time.Now()
	as, err := b.act(ctx, rec)
	now := time.Now()
	rec.Record(as, now.Sub(rec.Intended()), now.Sub(began), err)
	if err != nil {
		return fmt.Errorf("%s workspace %s: %w", b.cfg.Kind, b.workspace.Name, err)
	}
	return nil
}

func (b *builder) act(ctx context.Context, rec *harness.Recorder) (harness.Action, error) {
	switch b.cfg.Kind {
	case StopBuild:
		return BuildStop, b.build(ctx, rec, coder.CreateBuildRequest{Transition: coder.TransitionStop})
	case RestartBuild:
		err := b.build(ctx, rec, coder.CreateBuildRequest{Transition: coder.TransitionStop})
		if err == nil {
			err = b.build(ctx, rec, coder.CreateBuildRequest{Transition: coder.TransitionStart, Parameters: b.cfg.Parameters})
		}
		return BuildRestart, err
	case UpdateBuild:
		version := b.cfg.Version
		if version == uuid.Nil {
			w, err := b.workspace.Client.Workspace(ctx, b.workspace.ID)
			if err != nil {
				return BuildUpdate, err
			}
			version = w.TemplateActiveVersionID
		}
		return BuildUpdate, b.build(ctx, rec, coder.CreateBuildRequest{
			Transition: coder.TransitionStart, TemplateVersionID: version, Parameters: b.cfg.Parameters,
		})
	}
	return BuildStart, b.build(ctx, rec, coder.CreateBuildRequest{Transition: coder.TransitionStart, Parameters: b.cfg.Parameters})
}

// build asks for a build and waits for what is wanted of it.
func (b *builder) build(ctx context.Context, rec *harness.Recorder, req coder.CreateBuildRequest) error {
	c := b.workspace.Client
	build, err := b.ask(ctx, rec, req)
	if err != nil {
		return err
	}
	build, err = awaitBuild(ctx, rec, c, build.ID, b.cfg.BuildTimeout)
	if err != nil {
		return err
	}
	if req.Transition == coder.TransitionStart && !b.cfg.NoWaitForAgents {
		_, err = awaitAgents(ctx, rec, c, b.workspace.ID, build, b.cfg.AgentTimeout)
	}
	return err
}

// ask asks for a build, behind one that is active.
func (b *builder) ask(ctx context.Context, rec *harness.Recorder, req coder.CreateBuildRequest) (coder.Build, error) {
	c := b.workspace.Client
	for {
		var build coder.Build
		err := rec.Do(ctx, BuildCreate, func(ctx context.Context) (err error) {
			build, err = c.CreateBuild(ctx, b.workspace.ID, req)
			if coder.IsConflict(err) {
				return nil // it is not the server's fault that somebody builds
			}
			return err
		})
		if err != nil || build.ID != uuid.Nil {
			return build, err
		}
		w, err := c.Workspace(ctx, b.workspace.ID)
		if err != nil {
			return build, err
		}
		rec.Logf("another build of %s is active, it is waited for", b.workspace.Name)
		if _, err = c.WaitBuild(ctx, w.LatestBuild.ID); err != nil {
			if _, failed := errors.AsType[*coder.JobError](err); !failed {
				return build, err
			}
		}
		rec.Pause()
	}
}

// Cleanup brings the workspace back to how it was.
func (b *builder) Cleanup(ctx context.Context) error {
	if !b.cfg.Restore || b.before != coder.TransitionStart && b.before != coder.TransitionStop {
		return nil
	}
	c := b.workspace.Client
	w, err := c.Workspace(ctx, b.workspace.ID)
	if err != nil {
		return err
	}
	if !w.LatestBuild.Done() {
		if w.LatestBuild, err = c.WaitBuild(ctx, w.LatestBuild.ID); err != nil && ctx.Err() != nil {
			return err
		}
	}
	if w.LatestBuild.Transition == b.before && w.LatestBuild.Job.Status == coder.JobSucceeded {
		return nil
	}
	build, err := c.CreateBuild(ctx, b.workspace.ID, coder.CreateBuildRequest{Transition: b.before})
	if err != nil {
		return err
	}
	_, err = c.WaitBuild(ctx, build.ID)
	return err
}
