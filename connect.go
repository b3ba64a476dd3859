package scaletest

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
)

// Target is a deployment that is tested: a live one or the embedded one. The
// rest of a program can't tell them apart.
type Target struct {
	cfg       Config
	client    *coder.Client
	preflight coder.Preflight
	embedded  *codertest.Server
	replicas  int // of the embedded deployment
	tailnet   *sharedTailnet
	simulated *fleets
	sharded   *sharded
}

// Embedded configures the deployment that stands in when CODER_URL is unset.
type Embedded struct {
	// Workspaces is how many there are, all running. 0 means 200.
	Workspaces int

	// Server is the rest of its configuration.
	Server codertest.Config
}

// Connect reads the environment and connects to the deployment that CODER_URL
// names, or starts an embedded one with 200 running workspaces. It fails the
// test with one clear sentence for each variable that is wrong, if the
// deployment can't be reached, if it is not Coder, or if it refuses the token;
// nothing has been created then.
func Connect(tb TB) *Target {
	tb.Helper()
	return Embedded{}.Connect(tb)
}

// Connect is [Connect] with another embedded deployment.
func (e Embedded) Connect(tb TB) *Target {
	tb.Helper()
	neverCached()
	t, err := e.connect(tb.Context(), os.Environ())
	return belongTo(tb, t, err)
}

// ConnectClient is [Connect] for somebody who has a client already, such as one
// made of the URL, the token and the HTTP client of Coder's own SDK. CODER_URL
// and CODER_SESSION_TOKEN are not read then; the other variables are. The
// caller keeps the client.
func ConnectClient(tb TB, client *coder.Client) *Target {
	tb.Helper()
	neverCached()
	// The environment is told of a live deployment. The token stays in the client.
	environ := slices.Concat(os.Environ(), []string{"CODER_URL=" + client.URL().String(), "CODER_SESSION_TOKEN=of-the-client"})
	t := &Target{client: client, tailnet: new(sharedTailnet), simulated: new(fleets), sharded: new(sharded)}
	var err error
	if t.cfg, err = ConfigFromEnv(environ); err == nil {
		t.cfg.token = secret{} // that was no token
		err = t.check(tb.Context())
	}
	if err == nil {
		t.join()
	}
	return belongTo(tb, t, err)
}

// belongTo hands the target to the test, or fails it.
func belongTo(tb TB, t *Target, err error) *Target {
	tb.Helper()
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	remember(tb, t)
	tb.Cleanup(func() {
		forget(t)
		t.close()
	})
	return t
}

func (e Embedded) connect(ctx context.Context, environ []string) (*Target, error) {
	cfg, err := ConfigFromEnv(environ)
	if err != nil {
		return nil, err
	}
	t := &Target{cfg: cfg, tailnet: new(sharedTailnet), simulated: new(fleets), sharded: new(sharded)}
	address, token := cfg.URL, cfg.token.reveal()
	if !cfg.Live() {
		server := e.Server
		if server.Workspaces = e.Workspaces; server.Workspaces == 0 {
			server.Workspaces = 200
		}
		if t.embedded, err = codertest.New(server); err != nil {
			return nil, fmt.Errorf("start the embedded deployment: %s", oneLine(err))
		}
		t.replicas = server.Replicas
		address, token = t.embedded.URL(), t.embedded.OwnerToken()
	}
	if t.client, err = coder.New(cfg.propagate(coder.Config{URL: address, Token: token})); err == nil {
		err = t.check(ctx)
	}
	if err != nil {
		t.close()
		return nil, err
	}
	t.join()
	return t, nil
}

// check asks the deployment who it is, and whom the token belongs to.
func (t *Target) check(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	t.preflight, err = t.client.Preflight(ctx, coder.PreflightOptions{})
	return err
}

func (t *Target) close() {
	if t.sharded.leave != nil {
		t.sharded.leave()
	}
	t.leaveTailnet()
	if t.client != nil {
		t.client.CloseIdleConnections()
	}
	if t.embedded != nil {
		t.embedded.Close()
	}
}

// Client is the control-plane client, with the token of the environment.
func (t *Target) Client() *coder.Client { return t.client }

// Config is what the environment says.
func (t *Target) Config() Config { return t.cfg }

// Embedded is the embedded deployment, or nil for a live one. Tests use it to
// set faults.
func (t *Target) Embedded() *codertest.Server { return t.embedded }

// Version is the deployment's version, such as "v2.37.0".
func (t *Target) Version() string { return t.preflight.BuildInfo.Version }

// Describe names the deployment in a few words, without secrets.
func (t *Target) Describe() string {
	if t.embedded != nil {
		return "the embedded deployment (" + t.Version() + ")"
	}
	return t.cfg.URL + " (" + t.Version() + ")"
}

// host is the deployment's host name, without a port; "" if it is embedded.
func (t *Target) host() string {
	u, err := url.Parse(t.cfg.URL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// Confirmed reports whether the deployment may be loaded beyond what its
// operators could take for usual: it is on this machine, or CODER_SCALETEST_YES
// names its host. Run asks before it lets loose more than 1000 users; a scenario
// that floods otherwise should ask itself.
func (t *Target) Confirmed() bool {
	host := t.host()
	ip := net.ParseIP(host)
	return !t.cfg.Live() || host == "localhost" || ip != nil && ip.IsLoopback() || t.cfg.Yes == host
}

// info describes the target for the result.
func (t *Target) info() map[string]string {
	info := map[string]string{
		"embedded":      fmt.Sprint(t.embedded != nil),
		"version":       t.Version(),
		"deployment_id": t.preflight.BuildInfo.DeploymentID.String(),
		"user":          t.preflight.User.Username,
	}
	if t.embedded == nil {
		info["url"] = t.cfg.URL
	}
	maps.Copy(info, t.cfg.About)
	return info
}

// targets remembers which target a test has connected to, so that Run can say
// in the result what was tested.
var targets struct {
	sync.Mutex
	list []connected
}

// connected is a target and the name of the test that it belongs to.
type connected struct {
	test   string
	target *Target
}

func remember(tb TB, t *Target) {
	targets.Lock()
	defer targets.Unlock()
	targets.list = append(targets.list, connected{tb.Name(), t})
}

func forget(t *Target) {
	targets.Lock()
	defer targets.Unlock()
	targets.list = slices.DeleteFunc(targets.list, func(c connected) bool { return c.target == t })
}

// targetOf is the latest target of a test, or of the tests around a sub-test,
// the innermost first. It is nil if none of them has connected.
func targetOf(tb TB) *Target {
	targets.Lock()
	defer targets.Unlock()
	var found connected
	for _, c := range targets.list {
		if (c.test == tb.Name() || strings.HasPrefix(tb.Name(), c.test+"/")) && len(c.test) >= len(found.test) {
			found = c
		}
	}
	return found.target
}
