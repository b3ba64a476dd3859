package runners

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/coderscale/scaletest/harness"
)

// Page is a page of the dashboard.
type Page string

// The pages of the dashboard. Those of administrators are only opened by people
// with the rights.
const (
	// PageSignIn is the beginning of each visit, and of no other step.
	PageSignIn Page = "sign_in"
	// PageWorkspaces is the list of the person's workspaces, which is read again
	// every 5 s while one of them is being built, and every 30 s otherwise.
	PageWorkspaces Page = "workspaces"
	// PageWorkspace is one workspace, with its watch and its agent's metadata.
	PageWorkspace Page = "workspace"
	// PageTerminal is a web terminal in a workspace, in which nothing is typed. It
	// starts a shell.
	PageTerminal Page = "terminal"
	// PageTemplates is the list of templates.
	PageTemplates Page = "templates"
	// PageTemplate is one template.
	PageTemplate Page = "template"
	// PageUsers is the list of users, for those who may read them.
	PageUsers Page = "users"
	// PageDeployment is the overview of the deployment's settings.
	PageDeployment Page = "deployment"
	// PageAudit is the audit log.
	PageAudit Page = "audit"
	// PageHealth is the deployment's health, which is asked for every 30 s.
	PageHealth Page = "health"
)

// PageWeight is how often a page is opened, compared with others.
type PageWeight struct {
	Page   Page
	Weight float64 // 0 leaves it out
}

// DefaultJourney is where people go: workspaces 40, a workspace 35, templates
// 10, a template 8, and, for those who may, users 3, deployment 1, audit 2 and
// health 1. The terminal is left out, see [Terminal].
func DefaultJourney() []PageWeight {
	return []PageWeight{
		{PageWorkspaces, 40}, {PageWorkspace, 35}, {PageTemplates, 10}, {PageTemplate, 8},
		{PageUsers, 3}, {PageDeployment, 1}, {PageAudit, 2}, {PageHealth, 1},
	}
}

// pageActions are the actions of the pages.
var pageActions = map[Page]harness.Action{
	PageSignIn:     harness.NewAction("page_sign_in"),
	PageWorkspaces: harness.NewAction("page_workspaces"),
	PageWorkspace:  harness.NewAction("page_workspace"),
	PageTerminal:   harness.NewAction("page_terminal"),
	PageTemplates:  harness.NewAction("page_templates"),
	PageTemplate:   harness.NewAction("page_template"),
	PageUsers:      harness.NewAction("page_users"),
	PageDeployment: harness.NewAction("page_deployment"),
	PageAudit:      harness.NewAction("page_audit"),
	PageHealth:     harness.NewAction("page_health"),
}

func validateJourney(journey []PageWeight) error {
	var errs []error
	sum := 0.0
	seen := map[Page]bool{}
	for i, w := range journey {
		if _, ok := pageActions[w.Page]; !ok || w.Page == PageSignIn {
			errs = append(errs, fmt.Errorf("dashboard: step %d of the journey is %q, want one of workspaces, workspace, terminal, templates, template, users, deployment, audit, health", i, w.Page))
		}
		if !(w.Weight >= 0) {
			errs = append(errs, fmt.Errorf("dashboard: the weight of page %s is %v, want 0 or more", w.Page, w.Weight))
		}
		if seen[w.Page] {
			errs = append(errs, fmt.Errorf("dashboard: page %s is in the journey twice", w.Page))
		}
		seen[w.Page] = true
		sum += w.Weight
	}
	if journey != nil && !(sum > 0) {
		errs = append(errs, errors.New("dashboard: no page of the journey has a weight"))
	}
	return errors.Join(errs...)
}

// pickPage picks one of the pages that can be opened, by weight. If there is
// none it is the list of workspaces, which everybody has.
func pickPage(rng *rand.Rand, journey []PageWeight, can func(Page) bool) Page {
	sum := 0.0
	for _, w := range journey {
		if can(w.Page) {
			sum += w.Weight
		}
	}
	x := rng.Float64() * sum
	last := PageWorkspaces
	for _, w := range journey {
		if w.Weight == 0 || !can(w.Page) {
			continue
		}
		if last = w.Page; x < w.Weight {
			break
		}
		x -= w.Weight
	}
	return last
}

// workspacesByOwner sorts the names of workspaces by their owner.
func workspacesByOwner(all []Workspace) map[string][]string {
	out := map[string][]string{}
	for _, w := range all {
		if owner, name, ok := strings.Cut(w.Name, "/"); ok && !slices.Contains(out[owner], name) {
			out[owner] = append(out[owner], name)
		}
	}
	return out
}
