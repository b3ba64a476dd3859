package scaletest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/ledger"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/runners/cleanup"
	"github.com/coderscale/scaletest/scenario"
)

// RunFile runs what a scenario file says against the target that the test
// connected to, as [RunPlan] does. What the file creates is created in a run of
// its own before, with a result of its own, and deleted when the test ends, also
// if that run or a later one fails. It returns the result of the last run.
func RunFile(tb TB, f scenario.File) *harness.Result {
	tb.Helper()
	target := targetOf(tb)
	if target == nil {
		tb.Fatalf("there is no target: call scaletest.Connect first")
		return nil
	}
	if err := f.Validate(); err != nil {
		tb.Fatalf("%s", oneLine(err))
		return nil
	}
	// Whatever can be wrong without the workspaces is said before they are made.
	var r scenario.Resources
	workspaces, anyState, people, dialer := f.Needs()
	if dialer {
		r.Dialer = target.SSHDialer(tb)
	}
	r.ProxyURL = target.cfg.ProxyURL
	if err := target.mayCreate(f.Create); err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	if f.Create != nil {
		if !target.foresee(tb, f, r) {
			return nil
		}
		res := target.createFor(tb, *f.Create, people, &r)
		if res == nil || res.Verdict != harness.Pass {
			return res
		}
		if target.cfg.Sharding.many() {
			target.ofAllShards(tb, people, &r)
		}
	}
	if workspaces && r.Workspaces == nil {
		r.Workspaces = target.Workspaces(tb)
	}
	if anyState && r.AnyState == nil {
		r.AnyState = target.WorkspacesWhere(tb, Filter{AnyState: true})
	}
	if people && r.People == nil {
		r.People = target.People(tb)
	}
	if f.Create == nil || target.cfg.Sharding.many() { // else they have their owners' clients
		r.ForApp = func(ws []runners.Workspace, slug string) []runners.Workspace { return target.pathApps(tb, ws, slug) }
	}
	plan, err := f.Plan(r)
	if err != nil {
		tb.Fatalf("%s", oneLine(err))
		return nil
	}
	plan.Name = or(plan.Name, tb.Name())
	return RunPlan(tb, plan)
}

// foresee makes the plan with stand-ins for what the file creates. It returns
// false when there is nothing to run: the plan is refused, or only shown.
func (t *Target) foresee(tb TB, f scenario.File, r scenario.Resources) bool {
	tb.Helper()
	for range f.Create.Workspaces {
		r.Workspaces = append(r.Workspaces, runners.Workspace{Client: t.client, Name: "to-be/created", ID: uuid.New(), Agent: coder.Agent{ID: uuid.New()}})
		r.People = append(r.People, runners.Person{Client: t.client, User: coder.User{ID: uuid.New()}})
	}
	r.AnyState = r.Workspaces
	plan, err := f.Plan(r)
	if err == nil {
		plan, err = t.prepare(tb, plan)
	}
	if err != nil {
		tb.Fatalf("%s", oneLine(err))
		return false
	}
	if t.cfg.DryRun {
		c := &console{out: output(tb)}
		c.printf("create      %d workspaces of %s, %d at a time\n", f.Create.Workspaces, or(or(f.Create.Template, t.cfg.Template), "the only template"), max(f.Create.Concurrency, 1))
		c.plan(plan, t)
		tb.Skipf("CODER_SCALETEST_DRY_RUN is set: nothing was run")
	}
	return !t.cfg.DryRun
}

// createFor creates workspaces that stay until the test ends, and hands them and
// their owners, if people are wanted, to the resources.
func (t *Target) createFor(tb TB, c scenario.Create, people bool, r *scenario.Resources) *harness.Result {
	tb.Helper()
	o := t.cfg
	o.Template = or(c.Template, o.Template)
	o.Create.Count, o.Create.Retries = c.Workspaces, c.Retries
	atATime := max(c.Concurrency, 1)
	o.Concurrency = &atATime
	if len(c.Parameters) > 0 {
		o.Create.Parameters = nil
		for _, name := range sortedKeys(c.Parameters) {
			o.Create.Parameters = append(o.Create.Parameters, coder.BuildParameter{Name: name, Value: c.Parameters[name]})
		}
	}
	creator := &Target{cfg: o, client: t.client, preflight: t.preflight, embedded: t.embedded, tailnet: t.tailnet, simulated: t.simulated, sharded: t.sharded}
	cfg := creator.CreateWorkspaces(tb)
	keep := c.Keep || o.Create.NoCleanup
	made := &madeThings{Ledger: cfg.Users.Ledger}
	cfg.Users.Ledger, cfg.NoCleanup = made, true
	type place struct {
		user int
		w    runners.Workspace
	}
	var mu sync.Mutex
	var ready []place
	cfg.OnReady = func(user int, w runners.Workspace) {
		mu.Lock()
		defer mu.Unlock()
		ready = append(ready, place{user, w})
	}
	if !keep {
		tb.Cleanup(func() { t.deleteMade(tb, made, or(c.CleanupConcurrency, atATime)) })
	}
	plan := creator.Creation("create", c.Workspaces, cfg.Runner())
	plan.Name = tb.Name() + " create"
	plan.MaxFailures = max(plan.MaxFailures, c.MaxFailures)
	res := RunPlan(tb, plan)
	slices.SortFunc(ready, func(a, b place) int { return a.user - b.user })
	for _, p := range ready {
		r.Workspaces = append(r.Workspaces, p.w)
	}
	r.AnyState = r.Workspaces
	if people && len(ready) > 0 && !t.cfg.Sharding.many() {
		r.People = t.ownersOf(tb, r.Workspaces)
	}
	return res
}

// ownersOf are the people whom workspaces with their clients belong to.
func (t *Target) ownersOf(tb TB, workspaces []runners.Workspace) []runners.Person {
	tb.Helper()
	if t.cfg.HostLogin {
		return []runners.Person{t.Self()}
	}
	people, errs := make([]runners.Person, len(workspaces)), make([]error, len(workspaces))
	inParallel(len(workspaces), func(i int) {
		people[i].Client = workspaces[i].Client
		people[i].User, errs[i] = workspaces[i].Client.User(tb.Context(), coder.Me)
	})
	for _, err := range errs {
		if err != nil {
			tb.Fatalf("%s", oneLine(err))
		}
	}
	return people
}

// deleteMade deletes what a run has made.
func (t *Target) deleteMade(tb TB, made *madeThings, atATime int) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	limit := or(t.cfg.CleanupTimeout, noLimit)
	waiting, done := context.WithTimeout(ctx, limit)
	if err := t.meetOthers(waiting, tb.Name()+" deletes"); err != nil { // who may still use them
		tb.Logf("deleting without waiting for the other shards: %s", oneLine(err))
	}
	done()
	short, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	plan, err := cleanup.FromRecord(short, t.client, made.record(), cleanup.RecordOptions{AtATime: atATime, Settle: -1})
	if err != nil {
		tb.Errorf("delete what was created: %s", oneLine(err))
		return
	}
	(&console{out: output(tb)}).printf("deleting    %v\n", plan)
	report := plan.Run(ctx, t.client, cleanup.RunConfig{
		AtATime: atATime, Timeout: limit, JobTimeout: t.cfg.CleanupJobTimeout, Ledger: made,
	})
	for _, left := range report.Left {
		tb.Errorf("left behind: %v", left)
	}
}

// madeThings is a ledger that also remembers.
type madeThings struct {
	runners.Ledger
	mu   sync.Mutex
	left []ledger.Entry
}

func (m *madeThings) Intend(ctx context.Context, run, kind, name string) error {
	if err := m.Ledger.Intend(ctx, run, kind, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left = append(m.left, ledger.Entry{Run: run, Kind: kind, Name: name})
	return nil
}

func (m *madeThings) Made(run, kind, name, id string) {
	m.Ledger.Made(run, kind, name, id)
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, e := range m.left {
		if e.Run == run && e.Kind == kind && e.Name == name {
			m.left[i].ID = id
			return
		}
	}
	m.left = append(m.left, ledger.Entry{Run: run, Kind: kind, Name: name, ID: id})
}

func (m *madeThings) Gone(run, kind, name string) {
	m.Ledger.Gone(run, kind, name)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left = slices.DeleteFunc(m.left, func(e ledger.Entry) bool { return e.Run == run && e.Kind == kind && e.Name == name })
}

func (m *madeThings) record() *ledger.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &ledger.Record{Modified: time.Now(), Left: slices.Clone(m.left)}
}
