package runners

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners/cleanup"
)

// The metrics of [CreateWorkspacesConfig]. Queue wait, build time and the agent's
// way are taken from the server's own times, so that they do not depend on how
// often it was asked.
var (
	// WorkspaceCreate is the call that creates a workspace.
	WorkspaceCreate = harness.NewAction("workspace_create")
	// BuildQueue is how long a build's job waited for a provisioner.
	BuildQueue = harness.NewAction("build_queue")
	// BuildRun is how long the provisioner worked on it. Its errors are builds
	// that failed.
	BuildRun = harness.NewAction("build_run")
	// AgentConnect is the time from the end of the build, or from when a simulated
	// agent was meant to connect, to the agent's first connection.
	AgentConnect = harness.NewAction("agent_connect")
	// AgentReady is the time from there to the end of its startup scripts, or to
	// when a simulated one has said that it is ready.
	AgentReady = harness.NewAction("agent_ready")
	// WorkspaceReady is the whole way: from the instant at which the workspace
	// was meant to be asked for until its agents are ready. It is looked for every
	// Config.PollInterval of the client.
	WorkspaceReady = harness.NewAction("workspace_ready")
	// BuildRetries counts builds after a failed one.
	BuildRetries = harness.NewCounter("build_retries")
)

// CreateWorkspacesConfig configures runners that create workspaces: one each.
//
// What one does: it creates a user (unless it is to act as somebody who is
// there), asks for the workspace scaletest-<run>-<n> as that user, waits for the
// build and for the agents, and then may run a command in a terminal, or do
// whatever else is asked. When a build fails, or its agents don't come, it
// builds again, up to Retries times, and keeps the failed build's log.
//
// Metrics: workspace_create, build_queue, build_run, agent_connect,
// agent_ready, workspace_ready, command; the counter build_retries; and those of
// [CreateUsersConfig].
//
// Its cleanup deletes the workspace, also when its build was canceled or is
// still active, and then the user.
type CreateWorkspacesConfig struct {
	// Users creates the owners, one for each workspace; its Client also deletes.
	// With HostLogin the workspaces belong to that client's own user, and no
	// users are created.
	Users     CreateUsersConfig
	HostLogin bool

	// People own the workspaces instead, in turn, if there are any.
	People []Person

	// Template is what is created from: its active version.
	Template coder.Template

	// Parameters are values for the template's rich parameters. Check them
	// before with [CreateWorkspacesConfig.Check].
	Parameters []coder.BuildParameter

	// Retries is how often a workspace is built again after a build that failed.
	Retries int

	// BuildTimeout bounds one build, its queue included, and AgentTimeout the
	// wait for the agents. 0 is no limit but that of the iteration.
	BuildTimeout, AgentTimeout time.Duration

	// NoWaitForAgents is content with a build that succeeded.
	NoWaitForAgents bool

	// Command is run in a terminal of the first agent. Nil runs none.
	Command *CommandConfig

	// After is called when the workspace is ready, for something else that one
	// wants of it: a tunnel to hold, say. Nil does nothing.
	After func(ctx context.Context, rec *harness.Recorder, w Workspace) error

	// NoCleanup leaves workspaces and users.
	NoCleanup bool

	// Orphan lets the cleanup delete the record of a workspace that can't be
	// deleted otherwise, and leave what it stands for.
	Orphan bool

	// OnReady is called for each workspace that is ready, from many goroutines.
	OnReady func(user int, w Workspace)
}

// CreateWorkspaces makes runners that create a user and a workspace of a
// template each, see [CreateWorkspacesConfig].
func CreateWorkspaces(client *coder.Client, template coder.Template) func(user int) (harness.Runner, error) {
	return CreateWorkspacesConfig{Users: CreateUsersConfig{Client: client}, Template: template}.Runner()
}

// Validate reports everything that is wrong with the configuration.
func (c CreateWorkspacesConfig) Validate() error {
	errs := []error{c.Users.Validate()}
	if c.Template.ID == uuid.Nil {
		errs = append(errs, errors.New("create workspaces: there is no template"))
	}
	if c.Retries < 0 {
		errs = append(errs, fmt.Errorf("create workspaces: Retries is %d, want 0 or more", c.Retries))
	}
	if c.BuildTimeout < 0 || c.AgentTimeout < 0 {
		errs = append(errs, errors.New("create workspaces: a timeout is negative, want 0 (no limit) or more"))
	}
	if c.NoWaitForAgents && (c.Command != nil || c.After != nil) {
		errs = append(errs, errors.New("create workspaces: a command needs an agent, so NoWaitForAgents can't be combined with Command or After"))
	}
	if c.HostLogin && len(c.People) > 0 {
		errs = append(errs, errors.New("create workspaces: HostLogin and People exclude each other"))
	}
	for _, p := range c.People {
		errs = append(errs, p.Validate())
	}
	if c.Command != nil {
		errs = append(errs, c.Command.Validate())
	}
	return errors.Join(errs...)
}

// Check holds the parameters against the template's active version, before
// anything is created.
func (c CreateWorkspacesConfig) Check(ctx context.Context) error {
	asked, err := c.Users.Client.RichParameters(ctx, c.Template.ActiveVersionID)
	if err != nil {
		return err
	}
	if err := CheckParameters(asked, c.Parameters); err != nil {
		return fmt.Errorf("template %s: %w", c.Template.Name, err)
	}
	return nil
}

// Runner returns what harness.Scenario.Runner takes.
func (c CreateWorkspacesConfig) Runner() func(user int) (harness.Runner, error) {
	err := c.Validate()
	c.Users.NoCleanup = c.Users.NoCleanup || c.NoCleanup
	c.Users.NoSession = false
	users := c.Users.group()
	c.Users = users.cfg
	return func(user int) (harness.Runner, error) {
		if err != nil {
			return nil, err
		}
		return &createWorkspace{cfg: c, user: &createUser{group: users}}, nil
	}
}

// createWorkspace creates workspaces: one at each iteration.
type createWorkspace struct {
	cfg  CreateWorkspacesConfig
	user *createUser
	me   *Person // with HostLogin
	mine []madeWorkspace
}

// madeWorkspace is what must be cleaned up.
type madeWorkspace struct {
	run, owner, name string
	client           *coder.Client // its owner's
	id               uuid.UUID     // Nil if it is not known whether there is one
}

// Run creates a workspace and waits until it is of use.
func (r *createWorkspace) Run(ctx context.Context, rec *harness.Recorder) error {
	owner, err := r.owner(ctx, rec)
	if err != nil {
		return err
	}
	asked := time.Now()
	w, err := r.create(ctx, rec, owner)
	if err != nil {
		return err
	}
	w, err = r.build(ctx, rec, owner.Client, w)
	now := time.Now()
	rec.Record(WorkspaceReady, now.Sub(rec.Intended()), now.Sub(asked), err)
	if err != nil {
		return err
	}
	ready := Workspace{Client: owner.Client, Name: w.FullName(), ID: w.ID}
	if agents := w.Agents(); len(agents) > 0 {
		ready.Agent = agents[0]
	}
	rec.Logf("workspace %s is ready", ready.Name)
	rec.Pause()
	if r.cfg.Command != nil {
		if err := r.cfg.Command.run(ctx, rec, ready); err != nil {
			return err
		}
	}
	if r.cfg.After != nil {
		if err := r.cfg.After(ctx, rec, ready); err != nil {
			return err
		}
	}
	if r.cfg.OnReady != nil {
		r.cfg.OnReady(rec.User(), ready)
	}
	return nil
}

// owner is who asks for the workspace.
func (r *createWorkspace) owner(ctx context.Context, rec *harness.Recorder) (Person, error) {
	switch {
	case len(r.cfg.People) > 0:
		p := r.cfg.People[rec.User()%len(r.cfg.People)]
		return p, p.Client.SignIn(ctx)
	case !r.cfg.HostLogin:
		return r.user.get(ctx, rec)
	case r.me == nil:
		u, err := r.cfg.Users.Client.User(ctx, coder.Me)
		if err != nil {
			return Person{}, err
		}
		r.me = &Person{Client: r.cfg.Users.Client, User: u}
	}
	return *r.me, nil
}

// create asks for the workspace.
func (r *createWorkspace) create(ctx context.Context, rec *harness.Recorder, owner Person) (coder.Workspace, error) {
	ledger, name := r.cfg.Users.Ledger, newName(rec)
	made := madeWorkspace{run: rec.RunID(), owner: owner.User.Username, name: name, client: owner.Client}
	if err := ledger.Intend(ctx, made.run, KindWorkspace, made.fullName()); err != nil {
		return coder.Workspace{}, fmt.Errorf("create workspace %s: %w", made.fullName(), err)
	}
	r.mine = append(r.mine, made)
	var w coder.Workspace
	err := rec.Do(ctx, WorkspaceCreate, func(ctx context.Context) (err error) {
		w, err = owner.Client.CreateWorkspace(ctx, owner.User.ID.String(), coder.CreateWorkspaceRequest{
			Name: name, TemplateID: r.cfg.Template.ID, Parameters: r.cfg.Parameters,
		})
		if _, lost := errors.AsType[*coder.TransportError](err); lost && ctx.Err() == nil {
			// The answer was lost. Nobody else makes this name.
			if found, lost := owner.Client.WorkspaceByOwnerAndName(ctx, made.owner, name); lost == nil {
				w, err = found, nil
			}
		}
		return err
	})
	if err != nil {
		return w, err
	}
	r.mine[len(r.mine)-1].id = w.ID
	ledger.Made(made.run, KindWorkspace, made.fullName(), w.ID.String())
	return w, nil
}

func (m madeWorkspace) fullName() string { return m.owner + "/" + m.name }

// Cleanup deletes the workspaces and the users that Run has created.
func (r *createWorkspace) Cleanup(ctx context.Context) error {
	if r.cfg.NoCleanup {
		return nil
	}
	var errs []error
	for i := len(r.mine) - 1; i >= 0; i-- {
		m := r.mine[i]
		if err := r.delete(ctx, m); err != nil {
			errs = append(errs, err)
			continue
		}
		r.cfg.Users.Ledger.Gone(m.run, KindWorkspace, m.fullName())
	}
	r.mine = nil
	errs = append(errs, r.user.Cleanup(ctx))
	return errors.Join(errs...)
}

// delete deletes one, as its owner, who may and for whom it is gone only when it
// is gone. What an owner may not do (cancel a build that the template does not
// let them, orphan), the other client may.
func (r *createWorkspace) delete(ctx context.Context, m madeWorkspace) error {
	if m.id == uuid.Nil {
		// The answer to its creation was lost, or nobody waited for it.
		w, err := m.client.WorkspaceByOwnerAndName(ctx, m.owner, m.name)
		if coder.IsNotFound(err) || coder.IsGone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		m.id = w.ID
	}
	_, err := cleanup.DeleteWorkspace(ctx, m.client, m.id, cleanup.Options{})
	if err == nil || ctx.Err() != nil || m.client == r.cfg.Users.Client && !r.cfg.Orphan {
		return err
	}
	orphaned, err := cleanup.DeleteWorkspace(ctx, r.cfg.Users.Client, m.id, cleanup.Options{Orphan: r.cfg.Orphan})
	if orphaned {
		return fmt.Errorf("workspace %s could not be deleted: its record is gone, what it stood for is left", m.fullName())
	}
	return err
}
