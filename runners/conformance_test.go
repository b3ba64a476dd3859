package runners_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/harnesstest"
	"github.com/coderscale/scaletest/runners"
)

// onStage is a deployment whose runners are held to the harness' contract. Its
// clients go by the Env of a load, except for the owner's, which looks on.
type onStage struct {
	*codertest.Server
	owner    *coder.Client
	template coder.Template
	people   []runners.Person

	workspaces []runners.Workspace
	free       lender[runners.Workspace]
}

func newStage(t *testing.T, cfg codertest.Config) *onStage {
	t.Helper()
	cfg.RateLimit, cfg.BuildTime, cfg.Provisioners = -1, codertest.Fixed(time.Millisecond), 8
	s := &onStage{Server: codertest.Start(t, cfg)}
	s.owner = owner(t, s.Server)
	s.template = template(t, s.owner)
	s.workspaces = workspaces(t, s.owner)
	s.free.free = slices.Clone(s.workspaces)
	s.people = members(t, s.Server)
	return s
}

// client goes by the Env. It does not try again, so that a failure is the
// runner's.
func (s *onStage) client(env *harnesstest.Env) (*coder.Client, error) {
	c, err := coder.New(coder.Config{
		URL: s.URL(), Token: s.OwnerToken(), DialContext: env.Dial, PollInterval: 5 * time.Millisecond, MaxRetries: -1,
	})
	if err == nil {
		env.After(c.CloseIdleConnections)
	}
	return c, err
}

// targets are the workspaces, by way of the Env.
func (s *onStage) targets(env *harnesstest.Env) ([]runners.Workspace, error) {
	c, err := s.client(env)
	var out []runners.Workspace
	for _, w := range s.workspaces {
		w.Client = c
		out = append(out, w)
	}
	return out, err
}

// lend lends n workspaces to a load, which nobody else has meanwhile. Left says what
// is left of it when one is not as it should be after the cleanup. They are given
// back as they were, in any case.
func (s *onStage) lend(env *harnesstest.Env, n int, left func(coder.Workspace) error) ([]runners.Workspace, error) {
	c, err := s.client(env)
	if err != nil {
		return nil, err
	}
	lent, err := s.free.take(env, n)
	if err != nil {
		return nil, err
	}
	env.Left(func(ctx context.Context) error {
		var errs []error
		for _, w := range lent {
			now, err := s.owner.Workspace(ctx, w.ID)
			if err == nil {
				err = left(now)
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
	env.Finally(func() {
		for _, w := range lent {
			s.putBack(w.ID)
		}
	})
	out := slices.Clone(lent)
	for i := range out {
		out[i].Client = c
	}
	return out, nil
}

// putBack lets a workspace run, without a schedule. What fails here fails whoever
// gets it next.
func (s *onStage) putBack(id uuid.UUID) {
	ctx := context.Background()
	_ = s.owner.SetAutostart(ctx, id, "")
	for range 2 {
		now, err := s.owner.Workspace(ctx, id)
		if err != nil {
			return
		}
		_, _ = s.owner.WaitBuild(ctx, now.LatestBuild.ID)
		if now.LatestBuild.Status == coder.StatusRunning {
			return
		}
		if b, err := s.owner.CreateBuild(ctx, id, coder.CreateBuildRequest{Transition: coder.TransitionStart}); err == nil {
			_, _ = s.owner.WaitBuild(ctx, b.ID)
		}
	}
}

// running says that a workspace does not.
func running(w coder.Workspace) error {
	if w.LatestBuild.Status == coder.StatusRunning {
		return nil
	}
	return fmt.Errorf("workspace %s that is %s", w.Name, w.LatestBuild.Status)
}

// lender lends things to loads.
type lender[T any] struct {
	mu   sync.Mutex
	free []T
}

// take takes n of them until the load is over.
func (l *lender[T]) take(env *harnesstest.Env, n int) ([]T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.free) < n {
		return nil, fmt.Errorf("%d are asked for, and only %d are there", n, len(l.free))
	}
	lent := slices.Clone(l.free[:n])
	l.free = slices.Delete(l.free, 0, n)
	env.Finally(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.free = append(l.free, lent...)
	})
	return lent, nil
}

// left says what there is of a run.
func (s *onStage) left(run string) func(context.Context) error {
	return func(ctx context.Context) error {
		all, err := s.owner.AllWorkspaces(ctx, coder.WorkspacesQuery{})
		if err != nil {
			return err
		}
		var errs []error
		for _, w := range all {
			if strings.Contains(w.Name, run) {
				errs = append(errs, errors.New("workspace "+w.Name))
			}
		}
		users, err := s.owner.AllUsers(ctx, coder.UsersQuery{})
		for _, u := range users {
			if strings.Contains(u.Username, run) {
				errs = append(errs, errors.New("user "+u.Username))
			}
		}
		return errors.Join(append(errs, err)...)
	}
}

type makers = func(user int) (harness.Runner, error)

// conforms holds a runner to the contract. There are many runners, so it is at few
// points, where the subject does not say how many.
func conforms(t *testing.T, s harnesstest.Subject) {
	if s.Points == 0 {
		s.Points = 4
	}
	s.Users = 3
	harnesstest.TestRunner(t, s)
}

func TestRunnersThatCreateKeepTheHarnessContract(t *testing.T) {
	s := newStage(t, codertest.Config{Users: 3})
	var there []coder.User
	for _, p := range s.people {
		there = append(there, p.User)
	}
	t.Run("users", func(t *testing.T) {
		conforms(t, harnesstest.Subject{
			New: func(env *harnesstest.Env) (makers, error) {
				env.Left(s.left(env.RunID()))
				c, err := s.client(env)
				return runners.CreateUsersConfig{Client: c, Roles: []string{"auditor"}}.Runner(), err
			},
			Actions: []harness.Action{runners.UserCreate, runners.UserSession},
		})
	})
	t.Run("sessions of users who are there", func(t *testing.T) {
		conforms(t, harnesstest.Subject{
			New: func(env *harnesstest.Env) (makers, error) {
				c, err := s.client(env)
				return runners.CreateUsersConfig{Client: c, Existing: there}.Runner(), err
			},
			Actions: []harness.Action{runners.UserSession}, Counters: []harness.Counter{runners.UsersReused},
		})
	})
	t.Run("workspaces", func(t *testing.T) {
		conforms(t, harnesstest.Subject{
			New: func(env *harnesstest.Env) (makers, error) {
				env.Left(s.left(env.RunID()))
				c, err := s.client(env)
				return runners.CreateWorkspacesConfig{
					Users: runners.CreateUsersConfig{Client: c}, Template: s.template,
					Command: &runners.CommandConfig{Command: "echo hello", ExpectOutput: "hello"},
				}.Runner(), err
			},
			Actions: []harness.Action{
				runners.UserCreate, runners.UserSession, runners.WorkspaceCreate, runners.BuildQueue, runners.BuildRun,
				runners.AgentConnect, runners.AgentReady, runners.WorkspaceReady, runners.CommandRun,
			},
			MayRecord: []string{"build_retries"},
		})
	})
}

func TestBuildsKeepTheHarnessContract(t *testing.T) {
	s := newStage(t, codertest.Config{Workspaces: 9})
	for kind, actions := range map[runners.BuildKind][]harness.Action{
		runners.StartBuild:   {runners.BuildStart, runners.AgentConnect, runners.AgentReady},
		runners.StopBuild:    {runners.BuildStop},
		runners.RestartBuild: {runners.BuildRestart, runners.AgentConnect, runners.AgentReady},
		runners.UpdateBuild:  {runners.BuildUpdate, runners.AgentConnect, runners.AgentReady},
	} {
		t.Run(string(kind), func(t *testing.T) {
			conforms(t, harnesstest.Subject{
				New: func(env *harnesstest.Env) (makers, error) {
					ws, err := s.lend(env, 3, running)
					return runners.BuildConfig{Workspaces: ws, Kind: kind, Restore: true}.Runner(), err
				},
				Actions: append(actions, runners.BuildCreate, runners.BuildQueue, runners.BuildRun),
			})
		})
	}
}

func TestAutostartKeepsTheHarnessContract(t *testing.T) {
	s := newStage(t, codertest.Config{Workspaces: 9})
	noon(t, s.Server)
	conforms(t, harnesstest.Subject{
		New: func(env *harnesstest.Env) (makers, error) {
			ws, err := s.lend(env, 3, func(w coder.Workspace) error {
				if w.AutostartSchedule == "" {
					return nil
				}
				return fmt.Errorf("workspace %s with the schedule %s", w.Name, w.AutostartSchedule)
			})
			return runners.AutostartConfig{Workspaces: ws, Now: time.Now}.Runner(), err
		},
		Actions: []harness.Action{
			runners.AutostartDelay, runners.AutostartReady, runners.BuildCreate, runners.BuildQueue, runners.BuildRun,
			runners.AgentConnect, runners.AgentReady,
		},
	})
}
