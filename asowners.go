package scaletest

import (
	"slices"
	"strings"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/runners"
)

// AsOwners returns the workspaces with clients that carry a session of their
// owner, opened as those of [Target.People]. An app that is reached by a path can
// be opened by its workspace's owner only, unless the server is told otherwise
// (CODER_DANGEROUS_ALLOW_PATH_APP_SITE_OWNER_ACCESS): to everybody else, site
// owners included, it is not there.
//
// Workspaces of the token's own user stay as they are. It fails the test if
// the token is not a site owner's, who alone may open sessions for others.
func (t *Target) AsOwners(tb TB, workspaces []runners.Workspace) []runners.Workspace {
	tb.Helper()
	out := slices.Clone(workspaces)
	byOwner := map[string][]int{}
	for i, w := range out {
		if owner, _, _ := strings.Cut(w.Name, "/"); owner != t.preflight.User.Username {
			byOwner[owner] = append(byOwner[owner], i)
		}
	}
	if len(byOwner) == 0 {
		return out
	}
	owners := sortedKeys(byOwner)
	if !t.preflight.Owner {
		tb.Fatalf("the token of %s may not open sessions for %d owners of workspaces, such as %s: use the token of a site owner, or set CODER_SCALETEST_TARGET_WORKSPACES to workspaces of its own", t.preflight.User.Username, len(owners), owners[0])
		return nil
	}
	users := make([]coder.User, len(owners))
	for i, name := range owners {
		users[i].Username = name
	}
	people := t.sessions(tb, users)
	for i, owner := range owners {
		for _, w := range byOwner[owner] {
			out[w].Client = people[i].Client
		}
	}
	return out
}

// pathApps are the workspaces with sessions of their owners if the app is reached
// by a path, which others may not open.
func (t *Target) pathApps(tb TB, workspaces []runners.Workspace, slug string) []runners.Workspace {
	tb.Helper()
	for _, w := range workspaces {
		if app, ok := w.Agent.App(slug); ok && !app.Subdomain {
			return t.AsOwners(tb, workspaces)
		}
	}
	return workspaces
}

// WorkspacesWithApp are [Target.Workspaces] whose app can be opened: with
// sessions of their owners where it is reached by a path, see [Target.AsOwners].
func (t *Target) WorkspacesWithApp(tb TB, slug string) []runners.Workspace {
	tb.Helper()
	return t.pathApps(tb, t.Workspaces(tb), slug)
}
