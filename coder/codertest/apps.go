package codertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// AppMode is what a workspace app does with what it is sent.
type AppMode int

const (
	// AppEcho sends each WebSocket message back, and the body of an HTTP
	// request. A request without a body is told what arrived.
	AppEcho AppMode = iota
	// AppFlood sends random bytes as fast as they are taken, in binary messages
	// of 512, and ignores what it gets. Only TCP holds it back.
	AppFlood
	// AppDiscard reads, and sends nothing.
	AppDiscard
)

// String is "echo", "flood" or "discard".
func (m AppMode) String() string {
	return [...]string{"echo", "flood", "discard"}[m]
}

// App is a workspace app that every workspace has.
type App struct {
	// Slug is its name in addresses. It follows the rule for names.
	Slug string
	// DisplayName is for people. "" means the slug.
	DisplayName string
	// Mode is what it does. The zero value echoes.
	Mode AppMode
	// Subdomain says that it is reached by a name of its own below
	// Config.AppHost instead of a path.
	Subdomain bool
	// Sharing is who may open it besides the owner of the workspace: "owner" for
	// nobody, "organization" and "authenticated" for every user, or "public". ""
	// means "owner". Apps that are reached by a path are shared only with
	// Config.PathAppSharing.
	Sharing string
}

// Validate reports everything that is wrong with the app, joined.
func (a App) Validate() error {
	var errs []error
	if !validName(a.Slug) {
		errs = append(errs, fmt.Errorf("slug is %q, want letters, digits and single hyphens, at most 32", a.Slug))
	}
	if a.Mode < AppEcho || a.Mode > AppDiscard {
		errs = append(errs, fmt.Errorf("mode is %d, want AppEcho, AppFlood or AppDiscard", int(a.Mode)))
	}
	if a.Sharing != "" && !slices.Contains(sharingLevels, a.Sharing) {
		errs = append(errs, fmt.Errorf("sharing is %q, want one of %s", a.Sharing, strings.Join(sharingLevels, ", ")))
	}
	return errors.Join(errs...)
}

var sharingLevels = []string{"owner", "authenticated", "organization", "public"}

// trafficApps are those that Coder's templates for load tests have.
func trafficApps() []App {
	return []App{
		{Slug: "wsdi", DisplayName: "WebSocket Discard", Mode: AppDiscard, Sharing: "authenticated"},
		{Slug: "wsec", DisplayName: "WebSocket Echo", Mode: AppEcho, Sharing: "authenticated"},
		{Slug: "wsra", DisplayName: "WebSocket Random", Mode: AppFlood, Sharing: "authenticated"},
	}
}

func (c Config) apps() []App {
	if c.Apps == nil {
		return trafficApps()
	}
	all := slices.Clone(c.Apps)
	for i := range all {
		if all[i].DisplayName == "" {
			all[i].DisplayName = all[i].Slug
		}
		if all[i].Sharing == "" {
			all[i].Sharing = "owner"
		}
	}
	slices.SortFunc(all, func(a, b App) int { return strings.Compare(a.Slug, b.Slug) })
	return all
}

func validateApps(apps []App) error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	slugs := map[string]bool{}
	for i, a := range apps {
		if err := a.Validate(); err != nil {
			add("Apps[%d]: %w", i, err)
		}
		if slugs[a.Slug] {
			add("Apps[%d]: there is another one with the slug %q", i, a.Slug)
		}
		slugs[a.Slug] = true
	}
	return errors.Join(errs...)
}

// appID is that of the agent's app at this place. It follows from the agent's, so
// that ten thousand idle agents need not remember theirs.
func (a *agent) appID(i int) uuid.UUID {
	id := a.id
	id[0] ^= byte(i + 1)
	id[15] ^= 0xa5
	return id
}

// appViews are the apps of an agent on the wire.
func (s *Server) appViews(a *agent) []appJSON {
	w := a.build.workspace
	out := []appJSON{}
	if a.sub != nil {
		return out // it has been given none
	}
	for i, app := range w.template.apps {
		v := appJSON{
			ID: a.appID(i), URL: "http://localhost:" + itoa(firstAppPort+int(app.Mode)), Slug: app.Slug,
			DisplayName: app.DisplayName, SharingLevel: app.Sharing, Health: "disabled", OpenIn: "slim-window",
			Statuses: []struct{}{},
		}
		if a.live != nil && a.live.health[v.ID] != "" {
			v.Health = a.live.health[v.ID]
		}
		if app.Subdomain && s.cfg.AppHost != "" {
			v.Subdomain, v.SubdomainName = true, strings.Join([]string{app.Slug, "main", w.name, w.owner.username}, "--")
		}
		out = append(out, v)
	}
	return out
}

// firstAppPort is where the first of the traffic apps listens in a workspace.
const firstAppPort = 19134
