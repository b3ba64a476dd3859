package codertest

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/uuid"
)

// appProblem is the page of an app that can't be opened.
func appProblem(status int, title, text string) (int, any) {
	title = itoa(status) + " - " + title
	return status, htmlPage(title, title+" "+text)
}

func appMissing() (int, any) {
	return appProblem(http.StatusNotFound, "Application Not Found", "The application or workspace you are trying to access does not exist or you do not have permission to access it.")
}

// agentUnavailable is what apps and terminals of an agent without a connection
// answer.
func (s *Server) agentUnavailable(status string) (int, any) {
	return appProblem(s.as.deadAgent, "Application Unavailable", fmt.Sprintf("Agent state is &#34;%s&#34;, not &#34;connected&#34;", status))
}

// redirect is an answer that sends the client somewhere else.
type redirect string

// serveApp answers a request to a workspace app.
func (c *call) serveApp(q appRequest) {
	switch status, body := c.openApp(q); to := body.(type) {
	case redirect:
		http.Redirect(c.w, c.r, string(to), status)
	default:
		if status != handled {
			write(c.w, status, body)
		}
	}
}

func (c *call) openApp(q appRequest) (int, any) {
	if q.user == "me" && q.access == "path" {
		return appProblem(http.StatusNotFound, "Application Not Found", "Applications must be accessed with the full username, not @me.")
	}
	if q.slug == "" {
		return appProblem(http.StatusBadRequest, "Invalid Application URL", "The host is no name of an application.")
	}
	signed := c.s.signedFor(c.r, q.claims())
	user := c.user
	if signed != nil {
		user = signed
	}
	found, status, body := c.findApp(q, user, signed != nil)
	if status != handled {
		return status, body
	}
	if signed == nil {
		c.signedCookie(q.claims(), user, q.base+"/")
	}
	switch {
	case q.rest == "":
		to := q.base + "/"
		if c.r.URL.RawQuery != "" {
			to += "?" + c.r.URL.RawQuery
		}
		return http.StatusTemporaryRedirect, redirect(to)
	case found.home == nil:
		return c.proxyFarApp(found.agent, found.mode, q)
	case isPort(q.slug):
		return appProblem(http.StatusBadGateway, "Bad Gateway", "Failed to proxy request to application: connection refused.")
	}
	return c.proxyApp(found.home, found.mode, q)
}

// foundApp is an app and what is at the other end.
type foundApp struct {
	agent uuid.UUID
	home  *agentHome // nil if the agent is not played here
	mode  AppMode
}

// findApp finds the app, or gives the refusal.
func (c *call) findApp(q appRequest, u *user, authorized bool) (foundApp, int, any) {
	refused := func(status int, body any) (foundApp, int, any) { return foundApp{}, status, body }
	if q.access == "path" && isPort(q.slug) {
		return refused(http.StatusInternalServerError, htmlPage("500 - Internal Server Error", "500 - Internal Server Error An internal server error occurred."))
	}
	st := c.s.state
	st.mu.Lock()
	defer st.mu.Unlock()
	w := st.byFullName[fullName(q.user, q.workspace)]
	if w == nil {
		return refused(appMissing())
	}
	app, found := w.app(q.slug)
	if !found && !isPort(q.slug) {
		return refused(appMissing())
	}
	switch {
	case authorized || c.s.mayOpen(u, w, app, q.access):
	case u == nil:
		return refused(c.signIn(q))
	default:
		return refused(appMissing())
	}
	b := w.latest()
	if b.transition != "start" {
		return refused(appProblem(http.StatusBadRequest, "Workspace Offline",
			fmt.Sprintf("Last workspace transition was to the &#34;%s&#34; state. Start the workspace to access its applications.", b.transition)))
	}
	a := b.agent
	if a == nil {
		return refused(appMissing())
	}
	if status := a.status(c.s.cfg.AgentTimeout); status != "connected" {
		return refused(c.s.agentUnavailable(status))
	}
	out := foundApp{agent: a.id, mode: app.Mode}
	if a.live == nil {
		out.home = a.home()
	}
	return out, handled, nil
}

// app finds an app by its slug.
func (w *workspace) app(slug string) (App, bool) {
	for _, app := range w.template.apps {
		if app.Slug == slug {
			return app, true
		}
	}
	return App{}, false
}

// mayOpen reports whether somebody may open an app. A path is the same site as
// the dashboard, so that apps there are not shared unless it is asked for.
func (s *Server) mayOpen(u *user, w *workspace, app App, access string) bool {
	shared := access == "subdomain" || s.cfg.PathAppSharing
	switch {
	case app.Sharing == "public" && shared:
		return true
	case u == nil:
		return false
	case u == w.owner:
		return true
	case u.owner() && shared:
		return true
	}
	return shared && (app.Sharing == "authenticated" || app.Sharing == "organization")
}

// signIn sends a browser to where it can get a session.
func (c *call) signIn(q appRequest) (int, any) {
	to := c.s.url + "/login?" + url.Values{
		"message":  {"You are signed out or your session has expired. Please sign in again to continue."},
		"redirect": {c.r.URL.RequestURI()},
	}.Encode()
	if q.access == "subdomain" {
		to = c.s.url + "/api/v2/applications/auth-redirect?" + url.Values{
			"redirect_uri": {"http://" + c.r.Host + c.r.URL.RequestURI()},
		}.Encode()
	}
	return http.StatusSeeOther, redirect(to)
}
