package runners

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
)

// APICall is one kind of call of [APIConfig].
type APICall struct {
	// Name tells calls apart in results: lower-case letters, digits and '_'. Its
	// action is api_<name>. Empty is made of the method and the path:
	// get_workspaces for GET /api/v2/workspaces.
	Name string

	// Method of the request. Empty is GET.
	Method string

	// Path begins at the access URL and may have a query, as in
	// "/api/v2/workspaces?limit=25". {user} and {workspace} stand for the IDs of
	// the person who calls, and of a workspace of [APIConfig.Workspaces] that is
	// picked anew for each call.
	Path string

	// Body is sent as JSON, if it is not empty.
	Body string

	// Weight is how often it is made, compared with the others. 0 means 1.
	Weight float64

	// Status is the status of the answer that counts as success. 0 means any
	// from 200 to 299.
	Status int
}

// APIConfig configures callers of the API. [API] is the short form.
//
// What one does: at each iteration it makes one call of a mix, picked by weight
// from the run's seed, and reads the whole answer. Calls are made as they are:
// none is sent twice, and a rate limit (429) is an error that is counted, because
// that is what is measured here. With harness.ConstantArrivals the rate does not
// depend on how fast the answers come.
//
// Metrics: api_<name> for each call, from the instant at which it was meant to
// be made; the counters api_bytes (of answers) and api_rate_limited.
//
// It leaves nothing behind but what the calls themselves create.
type APIConfig struct {
	// People make the calls, user i as person i, and again from the first when
	// there are more users.
	People []Person

	// Calls are the mix.
	Calls []APICall

	// Workspaces stand for {workspace} in paths.
	Workspaces []Workspace

	// SharedConnections makes all users share the connections of the first
	// person's client, as a proxy in front would. Otherwise each user has their
	// own.
	SharedConnections bool
}

var (
	apiBytes       = harness.NewCounter("api_bytes")
	apiRateLimited = harness.NewCounter("api_rate_limited")
)

// API makes runners that each make one call of a mix at each iteration, see
// [APIConfig]. It is APIConfig{People: people, Calls: calls}.Runner().
func API(people []Person, calls ...APICall) func(user int) (harness.Runner, error) {
	return APIConfig{People: people, Calls: calls}.Runner()
}

// Validate reports everything that is wrong with the configuration.
func (c APIConfig) Validate() error {
	var errs []error
	if len(c.People) == 0 {
		errs = append(errs, errors.New("api: there are no people to call as"))
	}
	for _, p := range c.People {
		errs = append(errs, p.Validate())
	}
	if len(c.Calls) == 0 {
		errs = append(errs, errors.New("api: there are no calls"))
	}
	names := map[string]bool{}
	for i, call := range c.Calls {
		name := call.name()
		if err := call.validate(); err != nil {
			errs = append(errs, fmt.Errorf("api: call %d (%s): %w", i, name, err))
		}
		if call.NeedsWorkspace() && len(c.Workspaces) == 0 {
			errs = append(errs, fmt.Errorf("api: call %d (%s) needs a workspace, but there are none", i, name))
		}
		if names[name] {
			errs = append(errs, fmt.Errorf("api: two calls are named %s", name))
		}
		names[name] = true
	}
	return errors.Join(errs...)
}

func (c APICall) validate() error {
	var errs []error
	u, err := url.Parse(c.Path)
	if err != nil || !strings.HasPrefix(c.Path, "/") || u.Host != "" {
		errs = append(errs, fmt.Errorf("the path is %q, want one that begins with a slash", c.Path))
	} else if q := u.Query(); q.Has("coder_session_token") || q.Has("access_token") {
		errs = append(errs, errors.New("the query must not hold a token"))
	}
	if !actionName(c.name()) {
		errs = append(errs, fmt.Errorf("the name is %q, want at most 60 lower-case letters, digits and '_'", c.name()))
	}
	if !(c.Weight >= 0) {
		errs = append(errs, fmt.Errorf("the weight is %v, want 0 (the default, 1) or more", c.Weight))
	}
	return errors.Join(errs...)
}

func actionName(name string) bool {
	return name != "" && len(name) <= 60 && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_'
	})
}

func (c APICall) method() string {
	if c.Method == "" {
		return http.MethodGet
	}
	return strings.ToUpper(c.Method)
}

// name is the call's name, or one made of its method and path.
func (c APICall) name() string {
	if c.Name != "" {
		return c.Name
	}
	path, _, _ := strings.Cut(c.Path, "?")
	words := []string{strings.ToLower(c.method())}
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", "api", "v2":
		default:
			words = append(words, strings.Map(func(r rune) rune {
				switch {
				case r >= 'A' && r <= 'Z':
					return r + 'a' - 'A'
				case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
					return r
				case r == '-':
					return '_'
				}
				return -1
			}, segment))
		}
	}
	return strings.Join(words, "_")
}

// Runner returns what harness.Scenario.Runner takes.
func (c APIConfig) Runner() func(user int) (harness.Runner, error) {
	err := c.Validate()
	g := &apiGroup{cfg: c}
	if err == nil {
		g.prepare()
	}
	return func(user int) (harness.Runner, error) {
		if err != nil {
			return nil, err
		}
		return &apiUser{group: g, person: c.People[user%len(c.People)]}, nil
	}
}

// apiGroup is what the callers of a scenario share.
type apiGroup struct {
	cfg     APIConfig
	calls   []preparedCall
	buffers sync.Pool // *[]byte, for answers that nobody looks at
}

type preparedCall struct {
	APICall
	action harness.Action
	until  float64 // the sum of the weights up to here
	fixed  bool    // the path has nothing to fill in
}

func (g *apiGroup) prepare() {
	sum := 0.0
	for _, c := range g.cfg.Calls {
		weight := c.Weight
		if weight == 0 {
			weight = 1
		}
		sum += weight
		g.calls = append(g.calls, preparedCall{
			APICall: c, action: harness.NewAction("api_" + c.name()), until: sum,
			fixed: !strings.Contains(c.Path, "{"),
		})
	}
	g.buffers.New = func() any { b := make([]byte, 16<<10); return &b }
}

// pick takes a call by its weight.
func (g *apiGroup) pick(rng *rand.Rand) int {
	if len(g.calls) == 1 {
		return 0
	}
	x := rng.Float64() * g.calls[len(g.calls)-1].until
	i, _ := slices.BinarySearchFunc(g.calls, x, func(c preparedCall, x float64) int {
		if c.until <= x {
			return -1
		}
		return 1
	})
	return min(i, len(g.calls)-1)
}

// apiUser makes calls.
type apiUser struct {
	group    *apiGroup
	person   Person
	client   *coder.Client
	base     *url.URL
	header   http.Header
	requests []*http.Request // of the calls whose path is fixed, as templates
}

// Setup prepares the requests.
func (u *apiUser) Setup(ctx context.Context, _ *harness.Recorder) error {
	if err := u.person.Client.SignIn(ctx); err != nil {
		return err
	}
	u.client = u.person.Client
	if u.group.cfg.SharedConnections {
		u.client = u.group.cfg.People[0].Client
	} else {
		u.client = u.client.Isolated()
	}
	u.base = u.client.URL()
	u.header = http.Header{"Accept": {"application/json"}}
	u.person.Client.AuthHeader(u.header)
	u.requests = make([]*http.Request, len(u.group.calls))
	for i, c := range u.group.calls {
		if c.fixed {
			req, err := u.request(c, c.Path)
			if err != nil {
				return err
			}
			u.requests[i] = req
		}
	}
	return nil
}

// request makes the request of a call.
func (u *apiUser) request(c preparedCall, path string) (*http.Request, error) {
	at, err := url.Parse(strings.TrimSuffix(u.base.String(), "/") + path)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", c.method(), c.Path, err)
	}
	req := &http.Request{
		Method: c.method(), URL: at, Host: at.Host, Header: u.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if c.Body != "" {
		req.Header = u.header.Clone()
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// Run makes one call.
func (u *apiUser) Run(ctx context.Context, rec *harness.Recorder) error {
	if rec.Iteration() == 0 {
		rec.Add(apiRateLimited, 0)
	}
	i := u.group.pick(rec.Rand())
	call := &u.group.calls[i]
	req := u.requests[i]
	if req == nil {
		var err error
		if req, err = u.request(*call, u.path(rec, call.Path)); err != nil {
			return err
		}
	}
	return rec.Do(ctx, call.action, func(ctx context.Context) error { return u.send(ctx, rec, call, req) })
}

// path fills in the IDs.
func (u *apiUser) path(rec *harness.Recorder, path string) string {
	path = strings.ReplaceAll(path, "{user}", u.person.User.ID.String())
	if all := u.group.cfg.Workspaces; len(all) > 0 {
		path = strings.ReplaceAll(path, "{workspace}", all[rec.Rand().IntN(len(all))].ID.String())
	}
	return path
}

func (u *apiUser) send(ctx context.Context, rec *harness.Recorder, call *preparedCall, template *http.Request) error {
	req := template.WithContext(ctx)
	if u.client.Injects() {
		req.Header = req.Header.Clone()
		u.client.Inject(ctx, req.Header)
	}
	if call.Body != "" {
		req.Body = io.NopCloser(strings.NewReader(call.Body))
		req.ContentLength = int64(len(call.Body))
	}
	resp, err := u.client.Transport().RoundTrip(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", req.Method, call.Path, err)
	}
	if !call.expects(resp.StatusCode) {
		if resp.StatusCode == http.StatusTooManyRequests {
			rec.Add(apiRateLimited, 1)
		}
		resp.Request = req
		return u.client.ResponseError(req.Method+" "+call.Path, resp)
	}
	buf := u.group.buffers.Get().(*[]byte)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, *buf)
	u.group.buffers.Put(buf)
	_ = resp.Body.Close()
	rec.Add(apiBytes, n)
	if err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", req.Method, call.Path, err)
	}
	return nil
}

// NeedsWorkspace reports whether the path has {workspace} in it.
func (c APICall) NeedsWorkspace() bool { return strings.Contains(c.Path, "{workspace}") }

func (c APICall) expects(status int) bool {
	if c.Status != 0 {
		return status == c.Status
	}
	return status >= 200 && status <= 299
}

// Cleanup closes the connections.
func (u *apiUser) Cleanup(context.Context) error {
	if u.client != nil && !u.group.cfg.SharedConnections {
		u.client.CloseIdleConnections()
	}
	return nil
}
