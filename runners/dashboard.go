package runners

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
)

// DashboardConfig configures people at the dashboard. [Dashboard] is the short
// form.
//
// What one does: a person opens the dashboard with a session in their browser
// ([PageSignIn]), lands on the list of workspaces, and then clicks from page to
// page, picked by weight, with a think time before each click. There is no
// browser: what a page asks of the server is asked as a browser does, side by
// side over at most [DashboardConfig.Connections], and then what depends on the answers.
// While the person stays on a page, its polls go out on time and its sockets are
// open (the inbox for the whole visit). A visit lasts until the load ends.
//
// A page is offered to those who may see it, which is asked once at sign-in.
// Endpoints that the dashboard can do without (those of a licence or of a newer
// server) may be absent. After a 429 the person waits for as long as the server
// asks, and then clicks on. Sockets that are lost are opened again. When the
// session is refused (401) the iteration fails, and the next one signs in anew.
//
// Metrics: for each page page_<page>, from the click (the instant after the
// think time) until all that it asks for is answered; for each kind of call
// call_<kind>, from the instant at which the page or its poll wanted it;
// socket_open, and socket_reopen from the loss of a socket until it is open
// again; the counters dashboard_polls, dashboard_polls_skipped (the answer before
// was not back yet), sockets_lost, dashboard_rate_limited, and dashboard_absent
// (answers from endpoints that this server does not have). Lag is how late
// clicks and polls went out.
//
// Its cleanup closes the connections, and signs out those who have signed in with
// a password. It creates nothing else on the deployment.
type DashboardConfig struct {
	// People are who looks: user i is person i.
	People []Person

	// Workspaces are whose pages are opened: those whose name begins with the
	// person's. Nobody needs one here: a person without opens those that the
	// list shows.
	Workspaces []Workspace

	// Interval is the mean think time, from the moment at which a page is
	// complete to the next click. 0 means 10 s. The first click of each user is
	// at a random instant within the first interval.
	Interval time.Duration

	// Jitter is how much think times differ from Interval, less than that. 0
	// means half of it, and less than 0 none.
	Jitter time.Duration

	// Journey are the pages and how often they are opened. Nil means
	// [DefaultJourney].
	Journey []PageWeight

	// Seed decides who clicks when and where: the seed of each user derives
	// from it and the user's index. 0 takes the run's.
	Seed uint64

	// Password is the password of a person, who then signs in with it when a
	// visit begins. Nil means that people come with the session that their Client
	// has. Servers take 60 logins a minute from one address, so people begin one
	// after the other, at less than that.
	Password func(Person) string

	// NoPolls and NoSockets leave out what goes on while a page is open.
	NoPolls, NoSockets bool

	// HTML loads the page's HTML before all else, as a browser does that was
	// just opened. What the server puts into it is not asked for again, but for
	// who the person is, what they may do, and their organizations.
	HTML bool

	// Connections is how many HTTP connections a person makes and keeps open,
	// besides their sockets. 0 means 6, as browsers have it over HTTP/1.1. Each
	// takes a descriptor and a local port, of which an address has about 28,000
	// for one server.
	Connections int

	// Share lets users share people when there are more users. They also share
	// rate limits then.
	Share bool
}

// Dashboard makes runners that click through the dashboard as one person each,
// see [DashboardConfig]. It is DashboardConfig{People: people}.Runner().
func Dashboard(people []Person) func(user int) (harness.Runner, error) {
	return DashboardConfig{People: people}.Runner()
}

const (
	defaultDashboardInterval = 10 * time.Second
	// browserConnections is how many connections browsers make to a host over
	// HTTP/1.1.
	browserConnections = 6
)

func (c DashboardConfig) withDefaults() DashboardConfig {
	if c.Interval == 0 {
		c.Interval = defaultDashboardInterval
	}
	switch {
	case c.Jitter == 0:
		c.Jitter = c.Interval / 2
	case c.Jitter < 0:
		c.Jitter = 0
	}
	if c.Journey == nil {
		c.Journey = DefaultJourney()
	}
	if c.Connections == 0 {
		c.Connections = browserConnections
	}
	return c
}

// Validate reports everything that is wrong with the configuration.
func (c DashboardConfig) Validate() error {
	var errs []error
	add := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("dashboard: "+format, args...))
	}
	if c.Interval < 0 {
		add("the interval is %v, want 0 (%v) or more", c.Interval, defaultDashboardInterval)
	}
	interval := c.Interval
	if interval == 0 {
		interval = defaultDashboardInterval
	}
	if c.Interval >= 0 && c.Jitter >= interval {
		add("the jitter is %v, want less than the interval of %v", c.Jitter, interval)
	}
	if c.Connections < 0 {
		add("Connections is %d, want 0 (%d) or more", c.Connections, browserConnections)
	}
	for _, p := range c.People {
		errs = append(errs, p.Validate())
	}
	for _, w := range c.Workspaces {
		if !strings.Contains(w.Name, "/") {
			add("workspace %q has no owner in its name, want one such as alice/dev", w.Name)
		}
	}
	errs = append(errs, validateJourney(c.Journey))
	return errors.Join(errs...)
}

// Runner returns what harness.Scenario.Runner takes.
func (c DashboardConfig) Runner() func(user int) (harness.Runner, error) {
	err := c.Validate()
	g := &dashboards{cfg: c.withDefaults(), mine: workspacesByOwner(c.Workspaces)}
	return func(user int) (harness.Runner, error) {
		if err != nil {
			return nil, err
		}
		index := user
		if c.Share && len(c.People) > 0 {
			index %= len(c.People)
		}
		p, err := pickPerson(c.People, index)
		if err != nil {
			return nil, err
		}
		return &dashboardUser{group: g, person: p}, nil
	}
}

// dashboards is what the people of a scenario share.
type dashboards struct {
	cfg  DashboardConfig
	mine map[string][]string // names of workspaces, by their owner

	limits forAll[struct{}]
	// noSockets says that workspaces and metadata are watched by server-sent
	// events, as servers before 2.22 want it.
	noSockets atomic.Bool
	lag       lagMeter
}

// warnOfLimits says once which rate limits will bite.
func (g *dashboards) warnOfLimits(ctx context.Context, rec *harness.Recorder, c *coder.Client) {
	// What is not known is not warned of.
	_, _ = g.limits.get(ctx, func(ctx context.Context) (struct{}, error) {
		limit, err := c.RateLimit(ctx)
		if err != nil || limit.PerMinute == 0 {
			return struct{}{}, err
		}
		const remedy = "set CODER_API_RATE_LIMIT=-1 or CODER_DANGEROUS_DISABLE_RATE_LIMITS=true on the server to measure more than its limits"
		switch {
		case limit.ByAddress:
			rec.Warn(fmt.Sprintf("the server takes %d requests a minute by address and path, and everybody's dashboard asks for the same paths (such as /api/v2/workspaces): what all people of this machine ask for together is limited; %s", limit.PerMinute, remedy))
		case g.cfg.Share:
			rec.Warn(fmt.Sprintf("the server takes %d requests a minute by user and path, and simulated users share people: %s", limit.PerMinute, remedy))
		}
		return struct{}{}, nil
	})
}

// dashboardUser is one person at the dashboard.
type dashboardUser struct {
	group   *dashboards
	person  Person
	client  *coder.Client
	browser *browser

	mu       sync.Mutex
	sessions []*coder.Client // that were begun with a password
}

// Setup makes connections of the person's own.
func (u *dashboardUser) Setup(ctx context.Context, rec *harness.Recorder) error {
	if err := u.person.Client.SignIn(ctx); err != nil {
		return err
	}
	u.client = u.person.Client.Isolated()
	u.browser = newBrowser(u.client.Transport(), u.client.URL(), u.group.cfg.Connections)
	rec.Observe(&u.group.lag)
	u.group.warnOfLimits(ctx, rec, u.client)
	u.client.CloseIdleConnections() // the calls of the visit go by the browser
	return nil
}

// Run visits the dashboard until the load ends.
func (u *dashboardUser) Run(ctx context.Context, rec *harness.Recorder) error {
	for _, c := range []harness.Counter{dashboardPolls, dashboardPollsSkipped, socketsLost, dashboardRateLimited, dashboardAbsent} {
		rec.Add(c, 0)
	}
	return newVisit(u, rec).run(ctx)
}

// Cleanup signs out and closes the connections.
func (u *dashboardUser) Cleanup(ctx context.Context) error {
	if u.client == nil { // Setup did not get that far
		return nil
	}
	u.mu.Lock()
	sessions := u.sessions
	u.sessions = nil
	u.mu.Unlock()
	var errs []error
	for _, s := range sessions {
		if err := s.Logout(ctx); err != nil && !coder.IsUnauthorized(err) { // which says that it is over
			errs = append(errs, fmt.Errorf("%s: %w", u.person.User.Username, err))
		}
	}
	u.browser.close()
	u.client.CloseIdleConnections()
	return errors.Join(errs...)
}
