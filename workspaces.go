package scaletest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/runners"
)

// namePrefix marks what belongs to scale tests: workspaces and users.
const namePrefix = "scaletest-"

// Filter narrows down which workspaces are targets. The zero value is what the
// environment says.
type Filter struct {
	// Template is a name or an ID. "" means CODER_SCALETEST_TEMPLATE.
	Template string

	// Owner is a user name, and Name a piece of a workspace's name. "" means all.
	Owner, Name string

	// Range is a part of what is left. The zero value means
	// CODER_SCALETEST_TARGET_WORKSPACES.
	Range runners.Range

	// AnyState also takes workspaces that are not running or have no connected
	// agent, for those who build them.
	AnyState bool
}

// Workspaces are the deployment's workspaces that may be loaded: those whose
// name or owner begins with "scaletest-" (all, if CODER_SCALETEST_ANY_WORKSPACE
// says so), of CODER_SCALETEST_TEMPLATE if that is set, cut to
// CODER_SCALETEST_TARGET_WORKSPACES. Their order is stable: by creation, then
// by ID, whatever state they are in. Those that are not running, or have no
// connected agent, are named in the log and left out. Prebuilt workspaces, which
// are nobody's yet, are never among them.
//
// It fails the test if none is left, if the range goes beyond the end, if the
// template does not exist, if the token may not open terminals in them, or if
// something in front of the deployment lets no WebSockets through.
func (t *Target) Workspaces(tb TB) []runners.Workspace {
	tb.Helper()
	return t.WorkspacesWhere(tb, Filter{})
}

// WorkspacesWhere is [Target.Workspaces] with a filter of one's own.
func (t *Target) WorkspacesWhere(tb TB, f Filter) []runners.Workspace {
	tb.Helper()
	ws, skipped, err := t.workspaces(tb.Context(), f)
	for _, s := range skipped {
		tb.Logf("left out: %s", s)
	}
	if err != nil {
		tb.Fatalf("%s", oneLine(err))
		return nil
	}
	return ws
}

func (t *Target) workspaces(ctx context.Context, f Filter) (ws []runners.Workspace, skipped []string, err error) {
	template := or(f.Template, t.cfg.Template)
	if template != "" {
		found, err := t.findTemplate(ctx, template)
		if err != nil {
			return nil, nil, err
		}
		template = found.Name
	}
	all, err := t.client.AllWorkspaces(ctx, coder.WorkspacesQuery{Template: template, Owner: f.Owner, Name: f.Name})
	if err != nil {
		return nil, nil, err
	}
	all = slices.DeleteFunc(all, func(w coder.Workspace) bool {
		return w.IsPrebuild || !t.cfg.AnyWorkspace && !strings.HasPrefix(w.Name, namePrefix) && !strings.HasPrefix(w.OwnerName, namePrefix)
	})
	slices.SortFunc(all, func(a, b coder.Workspace) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), slices.Compare(a.ID[:], b.ID[:]))
	})
	if len(all) == 0 {
		return nil, nil, t.nothingFound(template)
	}
	if all, err = cutWorkspaces(all, f.Range, t.cfg.Targets); err != nil {
		return nil, nil, err
	}
	for _, w := range all {
		agent, problem := usableAgent(w)
		if problem != "" && !f.AnyState {
			skipped = append(skipped, w.FullName()+" "+problem)
			continue
		}
		ws = append(ws, runners.Workspace{Client: t.client, Name: w.FullName(), ID: w.ID, Agent: agent})
	}
	ids := make([]string, len(ws))
	for i, w := range ws {
		ids[i] = t.identify(w.ID, w.Name)
	}
	t.sharded.deal(ids)
	if len(ws) == 0 {
		return nil, skipped, fmt.Errorf("none of %d workspaces can be used, %s: start them first", len(all), skipped[0])
	}
	if f.AnyState {
		return ws, nil, nil
	}
	if err := t.mayOpen(ctx, all); err != nil {
		return nil, skipped, err
	}
	return ws, skipped, t.passesUpgrades(ctx, ws[0].ID)
}

// cutWorkspaces cuts a list to a range of the code or of the environment.
func cutWorkspaces(all []coder.Workspace, asked, environment runners.Range) ([]coder.Workspace, error) {
	r, name := asked, "the range"
	if r.All() {
		r, name = environment, "CODER_SCALETEST_TARGET_WORKSPACES"
	}
	cut, err := runners.Cut(all, r)
	if err != nil {
		return nil, fmt.Errorf("%s is %v: %w workspaces", name, r, err)
	}
	if len(cut) == 0 {
		return nil, fmt.Errorf("%s is %v, which is none of the %d workspaces", name, r, len(all))
	}
	return cut, nil
}

func (t *Target) nothingFound(template string) error {
	var of, hint string
	if template != "" {
		of = " of template " + template
	}
	if !t.cfg.AnyWorkspace {
		hint = " whose name or owner begins with " + namePrefix
	}
	return fmt.Errorf("%s has no workspaces%s%s that this token can see: create some first, or set CODER_SCALETEST_ANY_WORKSPACE=true to load other people's", t.Describe(), of, hint)
}

// usableAgent returns the first connected agent, or what is wrong.
func usableAgent(w coder.Workspace) (coder.Agent, string) {
	if w.LatestBuild.Status != coder.StatusRunning {
		return coder.Agent{}, "is " + w.LatestBuild.Status
	}
	agents := w.Agents()
	for _, a := range agents {
		if a.Connected() && a.ParentID == uuid.Nil {
			return a, ""
		}
	}
	if len(agents) == 0 {
		return coder.Agent{}, "has no agent"
	}
	return coder.Agent{}, "has an agent that is " + agents[0].Status
}

// findTemplate finds a template by name or ID.
func (t *Target) findTemplate(ctx context.Context, nameOrID string) (coder.Template, error) {
	all, err := t.client.Templates(ctx)
	if err != nil {
		return coder.Template{}, err
	}
	names := make([]string, 0, len(all))
	for _, tpl := range all {
		if tpl.Name == nameOrID || tpl.ID.String() == nameOrID {
			return tpl, nil
		}
		names = append(names, tpl.Name)
	}
	slices.Sort(names)
	by := "CODER_SCALETEST_TEMPLATE"
	if !t.cfg.given("TEMPLATE") {
		by = "the template in the scenario file"
	}
	return coder.Template{}, fmt.Errorf("%s is %q, but %s has no such template: it has %s", by, nameOrID, t.Describe(), orNone(names))
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names[:min(len(names), 20)], ", ")
}

// mayOpen asks whether the token may open terminals, owner by owner.
func (t *Target) mayOpen(ctx context.Context, all []coder.Workspace) error {
	type owner struct{ id, organization string }
	first := map[owner]string{}
	for _, w := range all {
		o := owner{w.OwnerID.String(), w.OrganizationID.String()}
		if first[o] == "" {
			first[o] = w.FullName()
		}
	}
	checks := map[string]coder.Permission{}
	refused := []string{}
	ask := func() error {
		if len(checks) == 0 {
			return nil
		}
		allowed, err := t.client.AuthCheck(ctx, checks)
		if err != nil {
			return err
		}
		for name := range checks {
			if !allowed[name] {
				refused = append(refused, name)
			}
		}
		clear(checks)
		return nil
	}
	for o, name := range first {
		checks[name] = coder.Permission{Action: "ssh", ResourceType: "workspace", OwnerID: o.id, OrganizationID: o.organization}
		if len(checks) == 200 {
			if err := ask(); err != nil {
				return err
			}
		}
	}
	if err := ask(); err != nil {
		return err
	}
	if len(refused) > 0 {
		slices.Sort(refused)
		return fmt.Errorf("the token of %s may not open terminals in the workspaces of %d of %d owners, such as %s: use the token of a site owner, or of the workspaces' owner",
			t.preflight.User.Username, len(refused), len(first), refused[0])
	}
	return nil
}
