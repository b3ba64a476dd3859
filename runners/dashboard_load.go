package runners

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coderscale/scaletest/coder"
)

// load makes the calls of a page, each as soon as what it depends on is known,
// and opens its sockets. It returns the first error of a call that the page needs.
func (v *visit) load(ctx context.Context, p *openPage, wanted time.Time) error {
	switch p.page {
	case PageSignIn:
		return v.loadShell(ctx, wanted)
	case PageWorkspaces:
		return v.loadWorkspaces(ctx, p, wanted)
	case PageWorkspace, PageTerminal:
		return v.loadWorkspace(ctx, p, wanted)
	case PageTemplates:
		return v.loadTemplates(ctx, wanted)
	case PageTemplate:
		return v.loadTemplate(ctx, wanted)
	}
	return v.loadAdmin(ctx, p, wanted)
}

// rights are what a person may do, as they decide which pages there are.
type rights struct {
	Users, Deployment, Audit, Health, Templates bool
}

// check is one permission of POST /authcheck.
type check struct {
	Object struct {
		Type         string `json:"resource_type"`
		Owner        string `json:"owner_id,omitempty"`
		Organization string `json:"organization_id,omitempty"`
		ID           string `json:"resource_id,omitempty"`
		AnyOrg       bool   `json:"any_org,omitempty"`
	} `json:"object"`
	Action string `json:"action"`
}

func may(action, resource string) check {
	c := check{Action: action}
	c.Object.Type = resource
	return c
}

func (c check) in(organization string) check {
	c.Object.Organization = organization
	return c
}

func (c check) anywhere() check {
	c.Object.AnyOrg = true
	return c
}

func (c check) of(owner, id string) check {
	c.Object.Owner, c.Object.ID = owner, id
	return c
}

func checks(of map[string]check) string {
	b, err := json.Marshal(map[string]any{"checks": of})
	if err != nil {
		panic(fmt.Sprintf("runners: permissions: %v", err)) // they are plain text
	}
	return string(b)
}

// shellChecks are asked at sign-in.
var shellChecks = checks(map[string]check{
	"Users":      may("read", "user"),
	"Deployment": may("read", "deployment_config"),
	"Audit":      may("read", "audit_log").anywhere(),
	"Health":     may("read", "debug_info"),
	"Templates":  may("update", "template").anywhere(),
})

// loadShell opens the dashboard: what all pages have in common.
func (v *visit) loadShell(ctx context.Context, wanted time.Time) error {
	in := map[string]bool{} // what the HTML brings
	first := batch{v: v}
	var html string
	if v.group.cfg.Password != nil {
		var err error
		if wanted, err = v.signIn(ctx); err != nil {
			v.end(fmt.Errorf("sign in as %s: %w", v.person.User.Username, err))
			return err
		}
	}
	if v.group.cfg.HTML {
		b := batch{v: v}
		b.get(callHTML, "/workspaces", &html)
		if err := b.send(ctx, wanted); err != nil {
			v.end(fmt.Errorf("open the dashboard: %w", err))
			return err
		}
		in = embedded(html)
		wanted = time.Now()
	}
	var may rights
	var me coder.User
	var orgs []struct {
		ID string `json:"id"`
	}
	var regions struct {
		Regions []struct {
			URL string `json:"path_app_url"`
		} `json:"regions"`
	}
	if !in["user"] && v.group.cfg.Password == nil {
		first.get(callAuthMethods, "/api/v2/users/authmethods", nil)
		first.get(callFirstUser, "/api/v2/users/first", nil)
	}
	// Who it is, what they may do, where they are and the regions are needed to
	// go on, even if the HTML has them.
	first.get(callMe, "/api/v2/users/me", &me)
	first.add(callAuthCheck, http.MethodPost, "/api/v2/authcheck", shellChecks, &may)
	first.get(callOrganizations, "/api/v2/organizations", &orgs)
	for _, c := range []struct {
		meta, path string
		call       *pageCall
		into       any
	}{
		{"build-info", "/api/v2/buildinfo", callBuildInfo, nil},
		{"entitlements", "/api/v2/entitlements", callEntitlements, nil},
		{"experiments", "/api/v2/experiments", callExperiments, nil},
		{"appearance", "/api/v2/appearance", callAppearance, nil},
		{"userAppearance", "/api/v2/users/me/appearance", callUserAppearance, nil},
		{"regions", "/api/v2/regions", callRegions, &regions},
	} {
		if !in[c.meta] {
			first.get(c.call, c.path, c.into)
		}
	}
	err := first.send(ctx, wanted)
	if me.ID.String() != v.person.User.ID.String() {
		if err == nil {
			err = fmt.Errorf("the session is of %q, not of %q", me.Username, v.person.User.Username)
		}
		v.end(fmt.Errorf("sign in: %w", err))
		return err
	}
	v.mu.Lock()
	v.me, v.rights = me, may
	for _, o := range orgs {
		v.orgs = append(v.orgs, o.ID)
	}
	v.own = nil
	for _, name := range v.group.mine[me.Username] {
		v.own = append(v.own, me.Username+"/"+name)
	}
	v.mu.Unlock()
	wanted = time.Now()
	second := batch{v: v}
	for _, r := range regions.Regions {
		if r.URL != "" {
			second.get(callLatencyCheck, strings.TrimSuffix(r.URL, "/")+"/latency-check?cache_bust="+fmt.Sprint(v.rec.User()), nil)
		}
	}
	second.get(callInbox, inboxPath, nil)
	second.get(callTasks, tasksPath, nil)
	stats := pollStats()
	if may.Deployment {
		into, every := stats.into()
		second.get(callStats, stats.path, into)
		defer func() {
			if second.has(stats.path) {
				stats.every = every()
				v.startPoll(nil, stats, wanted)
			}
		}()
	}
	if may.Health {
		second.get(callHealth, "/api/v2/debug/health?force=false", nil)
	}
	if failed := second.send(ctx, wanted); err == nil {
		err = failed
	}
	if second.has(tasksPath) {
		v.startPoll(nil, &poll{call: callTasks, path: tasksPath, every: pollTasks}, wanted)
	}
	if second.has(inboxPath) {
		v.open(&v.sockets, &socket{name: "inbox", dial: func(ctx context.Context) (source, error) {
			return v.webSocket(ctx, inboxPath+"/watch?read_status=unread")
		}})
	}
	return err
}

// pollStats asks for the deployment's statistics when there are new ones.
func pollStats() *poll {
	return &poll{call: callStats, path: "/api/v2/deployment/stats", every: leastStats, into: func() (any, func() time.Duration) {
		var stats struct {
			Next time.Time `json:"next_update_at"`
		}
		return &stats, func() time.Duration { return max(time.Until(stats.Next), leastStats) }
	}}
}

// embedded is what a page's HTML has in it, so that it is not asked for again.
func embedded(html string) map[string]bool {
	out := map[string]bool{}
	for _, name := range []string{"user", "entitlements", "appearance", "userAppearance", "experiments", "build-info", "regions"} {
		_, rest, ok := strings.Cut(html, `property="`+name+`"`)
		if !ok {
			continue
		}
		tag, _, _ := strings.Cut(rest, ">")
		_, content, ok := strings.Cut(tag, `content="`)
		out[name] = ok && content != "" && content[0] != '"'
	}
	return out
}

// asBrowser makes the request of a page: it has a cookie instead of the header.
func (v *visit) asBrowser(req *http.Request) {
	req.Header.Set("Accept", "text/html")
	if token := req.Header.Get("Coder-Session-Token"); token != "" {
		req.Header.Set("Cookie", "coder_session_token="+token)
		req.Header.Del("Coder-Session-Token")
	}
}

// listedWorkspace is what the journey needs to know of a workspace in the list.
type listedWorkspace struct {
	Name  string `json:"name"`
	Owner string `json:"owner_name"`
	Build struct {
		Status string `json:"status"`
	} `json:"latest_build"`
}

type workspaceList struct {
	Workspaces []listedWorkspace `json:"workspaces"`
}

// every is how soon the list is read again.
func (l *workspaceList) every() time.Duration {
	for _, w := range l.Workspaces {
		switch w.Build.Status {
		case coder.StatusPending, coder.StatusStarting, coder.StatusStopping, coder.StatusDeleting, coder.StatusCanceling:
			return pollBusyList
		}
	}
	return pollIdleList
}

const (
	listPath  = "/api/v2/workspaces?limit=25&offset=0&q=owner%3Ame"
	inboxPath = "/api/v2/notifications/inbox"
	tasksPath = "/api/v2/tasks"
)

func (v *visit) loadWorkspaces(ctx context.Context, p *openPage, wanted time.Time) error {
	v.mu.Lock()
	may, orgs := v.rights, v.orgs
	v.mu.Unlock()
	var list workspaceList
	var templates []templateRef
	create := map[string]check{}
	for _, o := range orgs {
		create[o] = checkCreate(o)
	}
	b := batch{v: v}
	b.get(callWorkspaces, listPath, &list)
	b.get(callTemplates, "/api/v2/templates", &templates)
	b.add(callAuthCheck, http.MethodPost, "/api/v2/authcheck", checks(create), nil)
	if may.Users {
		b.get(callUsers, "/api/v2/users?limit=25&q=", nil)
		b.get(callUsers, "/api/v2/users?limit=1&q="+url.QueryEscape(v.person.User.Username), nil)
	}
	err := b.send(ctx, wanted)
	v.seen(&list, templates)
	every := list.every()
	if list.Workspaces == nil { // no answer yet
		every = pollBusyList
	}
	v.startPoll(p, &poll{call: callWorkspaces, path: listPath, every: every, into: func() (any, func() time.Duration) {
		var list workspaceList
		return &list, list.every
	}}, wanted)
	return err
}

func checkCreate(organization string) check {
	return may("create", "workspace").in(organization).of(coder.Me, "")
}

// seen remembers what there are links to.
func (v *visit) seen(list *workspaceList, templates []templateRef) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if templates != nil {
		v.templates = templates[:min(len(templates), 25)]
	}
	if list == nil || len(v.group.mine[v.me.Username]) > 0 {
		return
	}
	v.own = v.own[:0]
	for _, w := range list.Workspaces {
		v.own = append(v.own, w.Owner+"/"+w.Name)
	}
}

func (v *visit) loadTemplates(ctx context.Context, wanted time.Time) error {
	v.mu.Lock()
	may, orgs := v.rights, v.orgs
	v.mu.Unlock()
	var templates []templateRef
	create := map[string]check{"createTemplates": checkTemplate("create")}
	for _, o := range orgs {
		create[o] = checkCreate(o)
	}
	b := batch{v: v}
	b.get(callTemplates, "/api/v2/templates?q=", &templates)
	b.add(callAuthCheck, http.MethodPost, "/api/v2/authcheck", checks(create), nil)
	if may.Templates {
		b.get(callExamples, "/api/v2/templates/examples", nil)
		b.get(callConfig, "/api/v2/deployment/config", nil)
	}
	err := b.send(ctx, wanted)
	v.seen(nil, templates)
	return err
}

func checkTemplate(action string) check { return may(action, "template").anywhere() }

// pickOne takes one of what there are links to.
func pickOne[T any](v *visit, of func() []T) (T, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := of()
	if len(all) == 0 {
		var none T
		return none, fmt.Errorf("there is nothing left to open")
	}
	return all[v.rng.IntN(len(all))], nil
}

func (v *visit) loadTemplate(ctx context.Context, wanted time.Time) error {
	ref, err := pickOne(v, func() []templateRef { return v.templates })
	if err != nil {
		return err
	}
	var t struct {
		ID      string `json:"id"`
		Version string `json:"active_version_id"`
	}
	b := batch{v: v}
	b.get(callTemplate, "/api/v2/organizations/"+ref.Organization+"/templates/"+url.PathEscape(ref.Name), &t)
	if err := b.send(ctx, wanted); err != nil {
		return err
	}
	wanted = time.Now()
	v.mu.Lock()
	may := v.rights
	v.mu.Unlock()
	b = batch{v: v}
	b.get(callTemplateVersion, "/api/v2/templateversions/"+t.Version, nil)
	for _, action := range []string{"update", "read"} {
		c := checkTemplate(action).in(ref.Organization).of("", t.ID)
		c.Object.AnyOrg = false
		b.add(callAuthCheck, http.MethodPost, "/api/v2/authcheck", checks(map[string]check{action: c}), nil)
	}
	b.get(callResources, "/api/v2/templateversions/"+t.Version+"/resources", nil)
	b.get(callVersions, "/api/v2/templates/"+t.ID+"/versions", nil)
	if may.Templates {
		end := time.Now().UTC().Truncate(time.Hour)
		span := "?template_ids=" + t.ID + "&start_time=" + end.AddDate(0, 0, -7).Truncate(24*time.Hour).Format(time.RFC3339) +
			"&end_time=" + end.Format(time.RFC3339)
		for _, kind := range []string{"templates", "user-latency", "user-activity"} {
			b.get(callInsights, "/api/v2/insights/"+kind+span, nil)
		}
	}
	return b.send(ctx, wanted)
}

// loadAdmin loads a page of administrators.
func (v *visit) loadAdmin(ctx context.Context, p *openPage, wanted time.Time) error {
	b := batch{v: v}
	switch p.page {
	case PageUsers:
		b.get(callUsers, "/api/v2/users?limit=25&offset=0&q=", nil)
		b.get(callRoles, "/api/v2/users/roles", nil)
		b.get(callGroups, "/api/v2/groups", nil)
		b.get(callConfig, "/api/v2/deployment/config", nil)
		b.get(callUsers, "/api/v2/users?limit=25&offset=25&q=", nil) // of the next page, before anybody asks
	case PageDeployment:
		b.get(callConfig, "/api/v2/deployment/config", nil)
		b.get(callAllExperiments, "/api/v2/experiments/available", nil)
		b.get(callDAUs, "/api/v2/insights/daus?tz_offset=0", nil)
	case PageAudit:
		b.get(callAudit, "/api/v2/audit?limit=25&offset=0&q=", nil)
		b.get(callAudit, "/api/v2/audit?limit=25&offset=25&q=", nil)
	case PageHealth:
		b.get(callHealth, "/api/v2/debug/health?force=false", nil)
	}
	err := b.send(ctx, wanted)
	if p.page == PageHealth {
		v.startPoll(p, &poll{call: callHealth, path: "/api/v2/debug/health?force=false", every: pollHealth}, wanted)
	}
	return err
}
