package runners

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

// The metrics of [AppConfig], besides the counters that [Terminal] has too.
var (
	// AppEcho is a tick's round trip through a WebSocket app that returns what
	// it gets, measured as [Echo] is. Its errors are ticks whose echo is missing or
	// wrong, or that could not be sent.
	AppEcho = harness.NewAction("app_echo")
	// AppOpen is the opening of an app's WebSocket.
	AppOpen = harness.NewAction("app_open")
	// AppRequest is an HTTP request to an app, its whole answer included, from
	// the instant at which it was meant to be sent.
	AppRequest = harness.NewAction("app_request")
)

// AppMode is what is done with an app.
type AppMode string

// Modes of [AppConfig]. The names are those of the apps in Coder's templates.
const (
	// AppEchoMode sends messages through a WebSocket and compares what comes back.
	AppEchoMode AppMode = "wsec"
	// AppReadMode opens a WebSocket and reads whatever the app sends.
	AppReadMode AppMode = "wsra"
	// AppDiscardMode sends messages through a WebSocket to an app that returns
	// nothing.
	AppDiscardMode AppMode = "wsdi"
	// AppHTTPMode makes an HTTP request at each tick.
	AppHTTPMode AppMode = "http"
)

// AppConfig configures users of workspace apps. [App] is the short form.
//
// By a path, an app can be opened by its workspace's owner only, unless the
// server is told otherwise: the root package's Target.AsOwners gives workspaces
// their owners' clients.
//
// What one does: it opens the app of its workspace through the app proxy, by its
// path or, if the app wants one, its subdomain, directly or through a workspace
// proxy, and makes the load: an echo whose content is compared (wsec), only
// reading (wsra), only writing (wsdi), or HTTP requests. It authenticates as a
// browser does, with a cookie, which the server keeps to itself; the token's
// header would reach the app. It keeps the signed cookie that the server gives
// out for each app, and opens a connection that is lost again.
//
// Metrics: app_echo (with its lag and throughput) or app_request; app_open,
// reconnect; the counters bytes_sent, bytes_received, bytes_foreign,
// echoes_lost, echoes_corrupt, ticks_blocked, ticks_disconnected, ticks_late,
// reconnects.
//
// Its cleanup closes the connection. It creates nothing on the deployment.
type AppConfig struct {
	// Workspaces have the app: user i goes to workspace i.
	Workspaces []Workspace

	// Slug names the app.
	Slug string

	// Mode is what is done with it. Empty is the mode of that name if the slug
	// is wsec, wsra or wsdi, and wsec for any other.
	Mode AppMode

	// Load is what is sent, and when. In mode wsra nothing is. In mode http
	// there is a request at each tick, with a body of that size.
	Load traffic.Load

	// Method of the requests in mode http. Empty is GET, whose body is empty.
	Method string

	// MessageBytes is the longest WebSocket message: a larger tick goes out as
	// several. 0 means 1024, as in Coder's utility.
	MessageBytes int

	// ProxyURL is the URL of a workspace proxy to go through. Nil goes to the
	// deployment itself.
	ProxyURL *url.URL

	// TokenHeader sends the token in a header, which the app sees. It is for
	// proxies in between that take cookies away.
	TokenHeader bool

	// Share lets users share workspaces when there are more users.
	Share bool

	// Seed decides the content. 0 takes the run's.
	Seed uint64

	// Burst is how many ticks may wait for being sent. 0 means 64.
	Burst int

	// Pacer configures the pacer that all connections share.
	Pacer traffic.PacerConfig

	// NoReconnect makes a lost connection a failure.
	NoReconnect bool

	// ReconnectTimeout bounds the attempts after a loss. 0 means 30 s.
	ReconnectTimeout time.Duration

	// DrainTimeout bounds the wait for the last echoes. 0 means 5 s.
	DrainTimeout time.Duration
}

// App makes runners that send a load through an app of their workspaces and
// compare its echo, see [AppConfig]. It is
// AppConfig{Workspaces: w, Slug: slug, Load: load}.Runner().
func App(workspaces []Workspace, slug string, load traffic.Load) func(user int) (harness.Runner, error) {
	return AppConfig{Workspaces: workspaces, Slug: slug, Load: load}.Runner()
}

// Validate reports everything that is wrong with the configuration.
func (c AppConfig) Validate() error {
	errs := []error{c.Pacer.Validate()}
	if c.Slug == "" {
		errs = append(errs, errors.New("app: there is no slug, want that of an app of the template, such as wsec"))
	}
	if c.mode() != AppReadMode {
		errs = append(errs, c.Load.Validate())
	}
	switch c.mode() {
	case AppEchoMode, AppReadMode, AppDiscardMode, AppHTTPMode:
	default:
		errs = append(errs, fmt.Errorf("app: the mode is %q, want wsec, wsra, wsdi or http", c.Mode))
	}
	if c.MessageBytes != 0 && c.MessageBytes < 16 || c.Burst < 0 {
		errs = append(errs, errors.New("app: MessageBytes is less than 16, or Burst is negative; want 0 (the default) or more"))
	}
	if c.ReconnectTimeout < 0 || c.DrainTimeout < 0 {
		errs = append(errs, errors.New("app: a timeout is negative, want 0 (the default) or more"))
	}
	return errors.Join(errs...)
}

func (c AppConfig) mode() AppMode {
	switch {
	case c.Mode != "":
		return c.Mode
	case c.Slug == string(AppReadMode), c.Slug == string(AppDiscardMode):
		return AppMode(c.Slug)
	}
	return AppEchoMode
}

// Runner returns what harness.Scenario.Runner takes. The users that it makes
// share a pump.
func (c AppConfig) Runner() func(user int) (harness.Runner, error) {
	err := c.Validate()
	if c.ReconnectTimeout == 0 {
		c.ReconnectTimeout = 30 * time.Second
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = 5 * time.Second
	}
	if c.MessageBytes == 0 {
		c.MessageBytes = 1024
	}
	g := &appGroup{cfg: c}
	g.pumping = pumping{action: AppEcho, config: g.pump}
	return func(user int) (harness.Runner, error) {
		if err != nil {
			return nil, err
		}
		w, err := pick(c.Workspaces, user, c.Share)
		if err != nil {
			return nil, err
		}
		a := &app{group: g, workspace: *w}
		if c.mode() == AppHTTPMode {
			return &appRequests{app: a}, nil
		}
		return &appSocket{app: a}, nil
	}
}

// appGroup is what the users of an app share.
type appGroup struct {
	pumping
	cfg  AppConfig
	host forAll[string] // of subdomains
}

func (g *appGroup) pump(seed uint64) traffic.PumpConfig {
	return traffic.PumpConfig{
		Load:    g.cfg.Load,
		Payload: traffic.PayloadConfig{Seed: seed, MaxChunk: g.cfg.MessageBytes},
		Encode:  coder.AppendAppFrame,
		NoEcho:  g.cfg.mode() != AppEchoMode,
		Burst:   g.cfg.Burst,
		Pacer:   g.cfg.Pacer,
	}
}

// appHost asks once for all.
func (g *appGroup) appHost(ctx context.Context, c *coder.Client) (string, error) {
	return g.host.get(ctx, c.AppHost)
}

// app is one person's way to the app of one workspace.
type app struct {
	group     *appGroup
	workspace Workspace
	client    *coder.Client
	session   *coder.AppSession
}

// locate finds out where the app is.
func (a *app) locate(ctx context.Context) error {
	cfg := a.group.cfg
	found, ok := a.workspace.Agent.App(cfg.Slug)
	if !ok {
		return fmt.Errorf("workspace %s has no app %s: it has %s", a.workspace.Name, cfg.Slug, appSlugs(a.workspace.Agent))
	}
	a.client = a.workspace.Client.Isolated()
	if err := a.client.SignIn(ctx); err != nil {
		return err
	}
	owner, name, _ := strings.Cut(a.workspace.Name, "/")
	w := coder.Workspace{OwnerName: owner, Name: name}
	var at *url.URL
	var err error
	switch {
	case cfg.ProxyURL != nil:
		at, err = a.client.ThroughProxy(ctx, cfg.ProxyURL, w, a.workspace.Agent, found)
	default:
		var host string
		if found.Subdomain {
			if host, err = a.group.appHost(ctx, a.client); err != nil {
				return err
			}
		}
		at, err = a.client.AppURL(w, a.workspace.Agent, found, host)
	}
	if err != nil {
		return err
	}
	a.session = a.client.AppSession(at, coder.AppOptions{TokenHeader: cfg.TokenHeader})
	return nil
}

func appSlugs(a coder.Agent) string {
	if len(a.Apps) == 0 {
		return "none"
	}
	slugs := make([]string, len(a.Apps))
	for i, app := range a.Apps {
		slugs[i] = app.Slug
	}
	return strings.Join(slugs, ", ")
}

// close ends what locate has begun.
func (a *app) close() {
	if a.client != nil {
		a.client.CloseIdleConnections()
	}
}
