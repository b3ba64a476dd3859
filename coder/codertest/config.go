package codertest

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Config describes a deployment. The zero value is one with an owner, an
// organization, a template, no workspaces, the limits of a real server, and no
// faults.
type Config struct {
	// Addr is where it listens, as host:port. "" means a free port on loopback.
	Addr string

	// Workspaces is how many running workspaces there are from the beginning.
	// They are named scaletest-0 and so on.
	Workspaces int

	// Users is how many members there are from the beginning, named
	// scaletest-user-0 and so on. They own the workspaces in turn. With 0 the
	// owner of the deployment owns the workspaces too.
	Users int

	// Prebuilds is how many prebuilt workspaces there are from the beginning,
	// which nobody has claimed yet. They belong to the system's user prebuilds,
	// whom no list of users shows.
	Prebuilds int

	// Version is what the deployment says it is. "" means v2.37.0. Before v2.32 it
	// also behaves as 2.26 does.
	Version string

	// RateLimit is how many requests a minute a user may make to a path. 0
	// means 512, as on a real server, and -1 no limit of any kind.
	RateLimit int

	// LoginRateLimit is how many logins a minute an address may try. 0 means
	// 60, and -1 no limit.
	LoginRateLimit int

	// BuildTime is how long the job of a build runs, or the import of a template
	// version. The zero value means one to two seconds.
	BuildTime Latency

	// BuildFailureRate is the fraction of builds that fail, from 0 to 1. Imports
	// fail only when the uploaded archive can't be read.
	BuildFailureRate float64

	// Provisioners is how many jobs run at a time. 0 means 3.
	Provisioners int

	// AgentTime is the time from the end of a build to a ready agent. The zero
	// value means none.
	AgentTime Latency

	// Parameters are what templates ask for when a workspace is made. Nil means
	// three optional ones: greeting (lowercase letters), size (small or large,
	// can't be changed later) and delay (0 to 300). An empty slice means none.
	Parameters []Parameter

	// Apps are the workspace apps of every workspace. Nil means the three of
	// Coder's templates for load tests: wsec echoes, wsra floods, and wsdi
	// discards. An empty slice means none.
	Apps []App

	// AppHost is the pattern of the names that apps with Subdomain have, such as
	// "*.apps.example.test". A port is added where it has none. "" means that
	// apps have no names.
	AppHost string

	// PathAppSharing lets apps that are reached by a path be shared, and lets
	// owners of the deployment open everybody's. Real servers don't unless they
	// are told to: a path is the same site as the dashboard.
	PathAppSharing bool

	// WorkspaceProxy adds a workspace proxy, which serves apps and terminals at
	// an address of its own: see [Server.ProxyURL].
	WorkspaceProxy bool

	// ExternalAgents leaves the agents of all workspaces to whoever connects with
	// their tokens: see [Server.AgentToken]. Until then they are connecting. A
	// workspace of an uploaded template in which agent_token occurs has such an
	// agent in any case, and a resource that shows the token. Without it, agents
	// are played here until somebody connects with their token.
	ExternalAgents bool

	// StatsInterval is how often agents are asked to report statistics. 0 means
	// 30 s.
	StatsInterval time.Duration

	// MetadataFlush is how long what agents report of their metadata is collected
	// before it shows. 0 means 5 s. Before v2.32 nothing is collected.
	MetadataFlush time.Duration

	// PrometheusAddr is where metrics are served to anybody, as host:port, besides
	// GET /api/v2/debug/metrics: see [Server.PrometheusURL]. "" means nowhere, and
	// "127.0.0.1:0" a free port.
	PrometheusAddr string

	// RelayRegions is how many regions have a relay besides the one of the
	// deployment, region 999. They are 1001, 1002 and so on. Each has a port of
	// its own, and none knows of the clients of another.
	RelayRegions int

	// RelayByWebSocket refuses to talk DERP but by WebSocket, as a proxy does that
	// knows no other upgrade.
	RelayByWebSocket bool

	// Routes are faults of single routes. The first that matches counts.
	Routes []RouteFault

	// Replicas is how many servers share the load. 0 means 1. Connections are
	// given to them in turn.
	Replicas int

	// PingInterval is how often an idle WebSocket is probed, and how long the
	// answer may take. 0 means 15 s.
	PingInterval time.Duration

	// ReplayBytes is how much of its last output a terminal repeats to whoever
	// attaches to it again. 0 means 64 KiB.
	ReplayBytes int

	// AgentTimeout is how long an agent that was killed or frozen still counts
	// as connected. 0 means 30 s.
	AgentTimeout time.Duration

	// Seed decides everything random: IDs, build times, failures, faults. The
	// same seed and the same requests in the same order give the same choices.
	Seed uint64

	clock func() time.Time // of rate limits: tests hold it
}

// RouteFault makes a route slow or failing.
type RouteFault struct {
	// Method is "GET", "POST" and so on. "" means all.
	Method string

	// Path is a prefix of the path, in which * stands for one segment:
	// "/api/v2/workspaces", "/api/v2/workspaceagents/*/pty". "" means all.
	Path string

	// Latency is added before the request is handled.
	Latency Latency

	// ErrorRate is the fraction of requests that fail, from 0 to 1.
	ErrorRate float64

	// ErrorStatus is what these fail with. 0 means 500, and -1 that the
	// connection is dropped.
	ErrorStatus int
}

// Validate reports everything that is wrong with the configuration, joined.
func (c Config) Validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, n := range []struct {
		name       string
		value, min int
	}{
		{"Workspaces", c.Workspaces, 0}, {"Users", c.Users, 0}, {"Prebuilds", c.Prebuilds, 0}, {"RateLimit", c.RateLimit, -1},
		{"LoginRateLimit", c.LoginRateLimit, -1}, {"Provisioners", c.Provisioners, 0}, {"Replicas", c.Replicas, 0},
		{"ReplayBytes", c.ReplayBytes, 0}, {"RelayRegions", c.RelayRegions, 0},
	} {
		if n.value < n.min {
			add("%s is %d, want %d or more", n.name, n.value, n.min)
		}
	}
	if c.BuildFailureRate < 0 || c.BuildFailureRate > 1 {
		add("BuildFailureRate is %v, want 0 to 1", c.BuildFailureRate)
	}
	if c.PingInterval < 0 {
		add("PingInterval is %v, want 0 (15 s) or more", c.PingInterval)
	}
	if c.StatsInterval < 0 {
		add("StatsInterval is %v, want 0 (30 s) or more", c.StatsInterval)
	}
	if c.MetadataFlush < 0 {
		add("MetadataFlush is %v, want 0 (5 s) or more", c.MetadataFlush)
	}
	if c.AgentTimeout < 0 {
		add("AgentTimeout is %v, want 0 (30 s) or more", c.AgentTimeout)
	}
	if err := c.BuildTime.Validate(); err != nil {
		add("BuildTime: %w", err)
	}
	if err := c.AgentTime.Validate(); err != nil {
		add("AgentTime: %w", err)
	}
	names := map[string]bool{}
	for i, p := range c.Parameters {
		if err := p.Validate(); err != nil {
			add("Parameters[%d]: %w", i, err)
		}
		if names[p.Name] {
			add("Parameters[%d]: there is another one named %q", i, p.Name)
		}
		names[p.Name] = true
	}
	if err := validateApps(c.Apps); err != nil {
		errs = append(errs, err)
	}
	if h := c.AppHost; h != "" && (strings.Count(h, "*") != 1 || !strings.HasPrefix(h, "*") || !strings.HasPrefix(h[1:], ".") && !strings.HasPrefix(h[1:], "-")) {
		add("AppHost is %q, want a pattern such as *.apps.example.test", h)
	}
	if a := c.PrometheusAddr; a != "" {
		if _, _, err := net.SplitHostPort(a); err != nil {
			add("PrometheusAddr is %q, want host:port such as 127.0.0.1:2112", a)
		}
	}
	if err := validateRoutes(c.Routes); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func validateRoutes(routes []RouteFault) error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for i, f := range routes {
		if err := f.Validate(); err != nil {
			add("Routes[%d]: %w", i, err)
		}
	}
	return errors.Join(errs...)
}

// Validate reports everything that is wrong with the fault, joined.
func (f RouteFault) Validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if f.ErrorRate < 0 || f.ErrorRate > 1 {
		add("ErrorRate is %v, want 0 to 1", f.ErrorRate)
	}
	if s := f.ErrorStatus; s != 0 && s != -1 && (s < 400 || s > 599) {
		add("ErrorStatus is %d, want 0 (500), -1 (drop the connection) or 400 to 599", s)
	}
	if f.Path != "" && f.Path[0] != '/' {
		add("Path is %q, want it to begin with /", f.Path)
	}
	if err := f.Latency.Validate(); err != nil {
		add("Latency: %w", err)
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.RateLimit, 512)
	def(&c.LoginRateLimit, 60)
	def(&c.Provisioners, 3)
	def(&c.Replicas, 1)
	def(&c.ReplayBytes, 64<<10)
	if c.clock == nil {
		c.clock = time.Now
	}
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	if c.Version == "" {
		c.Version = "v2.37.0"
	}
	if c.PingInterval == 0 {
		c.PingInterval = 15 * time.Second
	}
	if c.AgentTimeout == 0 {
		c.AgentTimeout = 30 * time.Second
	}
	if c.StatsInterval == 0 {
		c.StatsInterval = 30 * time.Second
	}
	if c.MetadataFlush == 0 {
		c.MetadataFlush = 5 * time.Second
	}
	if c.BuildTime == (Latency{}) {
		c.BuildTime = Latency{Min: time.Second, Max: 2 * time.Second}
	}
	return c
}
