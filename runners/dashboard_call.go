package runners

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
)

var (
	dashboardPolls        = harness.NewCounter("dashboard_polls")
	dashboardPollsSkipped = harness.NewCounter("dashboard_polls_skipped")
	dashboardRateLimited  = harness.NewCounter("dashboard_rate_limited")
	dashboardAbsent       = harness.NewCounter("dashboard_absent")
)

// pageCall is a kind of call that pages make.
type pageCall struct {
	action harness.Action
	// optional calls are of endpoints that a server may lack, because of its age
	// or licence: the page does without.
	optional bool
}

func newPageCall(name string) *pageCall {
	return &pageCall{action: harness.NewAction("call_" + name)}
}

func newOptionalCall(name string) *pageCall {
	c := newPageCall(name)
	c.optional = true
	return c
}

// The kinds of calls.
var (
	callHTML            = newPageCall("html")
	callAuthMethods     = newPageCall("auth_methods")
	callFirstUser       = newPageCall("first_user")
	callLogin           = newPageCall("login")
	callMe              = newPageCall("me")
	callAuthCheck       = newPageCall("authcheck")
	callEntitlements    = newOptionalCall("entitlements")
	callExperiments     = newPageCall("experiments")
	callAppearance      = newOptionalCall("appearance")
	callBuildInfo       = newPageCall("buildinfo")
	callOrganizations   = newPageCall("organizations")
	callUserAppearance  = newPageCall("user_appearance")
	callRegions         = newOptionalCall("regions")
	callLatencyCheck    = newOptionalCall("latency_check")
	callInbox           = newOptionalCall("inbox")
	callStats           = newOptionalCall("deployment_stats")
	callHealth          = newPageCall("health")
	callTasks           = newOptionalCall("tasks")
	callWorkspaces      = newPageCall("workspaces_list")
	callTemplates       = newPageCall("templates_list")
	callUsers           = newPageCall("users_list")
	callWorkspace       = newPageCall("workspace")
	callTemplate        = newPageCall("template")
	callBuilds          = newPageCall("builds_list")
	callTimings         = newOptionalCall("build_timings")
	callTemplateVersion = newPageCall("template_version")
	callQuota           = newOptionalCall("quota")
	callContainers      = newOptionalCall("containers")
	callPorts           = newOptionalCall("listening_ports")
	callPortShare       = newOptionalCall("port_share")
	callConfig          = newOptionalCall("deployment_config")
	callExamples        = newOptionalCall("template_examples")
	callResources       = newPageCall("template_resources")
	callVersions        = newPageCall("template_versions_list")
	callInsights        = newOptionalCall("insights")
	callRoles           = newPageCall("roles_list")
	callGroups          = newOptionalCall("groups_list")
	callAllExperiments  = newOptionalCall("experiments_available")
	callDAUs            = newOptionalCall("active_users")
	callAudit           = newOptionalCall("audit_list")
)

// bodies are where answers are read into.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// largestBody is what is kept for the next answer.
const largestBody = 1 << 20

// errAbsent is the end of an optional call that this server does not answer. The
// page does without it.
var errAbsent = errors.New("this server does not have it")

// ask makes a call that was wanted at an instant. Into receives what is decoded;
// nil drops the answer. Its error is already counted, and errAbsent is none.
func (v *visit) ask(ctx context.Context, c *pageCall, wanted time.Time, method, path, body string, into any) error {
	start := time.Now()
	err := v.exchange(ctx, c, method, path, body, into)
	end := time.Now()
	if err != nil && v.over.Load() {
		return err // the visit has ended it
	}
	if err == errAbsent {
		v.rec.Add(dashboardAbsent, 1)
		v.rec.Record(c.action, end.Sub(wanted), end.Sub(start), nil)
		return err
	}
	v.rec.Record(c.action, end.Sub(wanted), end.Sub(start), err)
	if err != nil {
		v.rec.Logf("%s: %v", c.action, err)
	}
	return err
}

// request makes a request of the person. Full URLs are of other hosts, such as
// workspace proxies: they get no token.
func (v *visit) request(ctx context.Context, method, path, body string) (*http.Request, error) {
	header := v.header.Clone()
	v.client.Inject(ctx, header)
	at, err := url.Parse(path)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if at.Host == "" {
		if at, err = url.Parse(v.base + path); err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
	} else {
		header = http.Header{}
	}
	var req *http.Request
	if body == "" {
		req, err = http.NewRequestWithContext(ctx, method, "/", http.NoBody)
	} else {
		req, err = http.NewRequestWithContext(ctx, method, "/", strings.NewReader(body))
		header.Set("Content-Type", "application/json")
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.URL, req.Host, req.Header = at, at.Host, header
	return req, nil
}

// exchange sends a request and reads its answer.
func (v *visit) exchange(ctx context.Context, c *pageCall, method, path, body string, into any) error {
	req, err := v.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	if c == callHTML {
		v.asBrowser(req)
	}
	buf := bodies.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= largestBody {
			buf.Reset()
			bodies.Put(buf)
		}
	}()
	resp, err := v.browser.do(req, buf)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, req.URL.Path, err)
	}
	resp.Request = req
	page := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")
	if resp.StatusCode < 200 || resp.StatusCode > 299 || page && c != callHTML {
		return v.refused(c, v.client.ResponseError(method+" "+req.URL.Path, resp))
	}
	switch into := into.(type) {
	case nil:
	case *string:
		*into = buf.String()
	default:
		if err := json.Unmarshal(buf.Bytes(), into); err != nil {
			return fmt.Errorf("%s %s: the answer is not what this endpoint gives: %w", method, req.URL.Path, err)
		}
	}
	return nil
}

// absent reports whether an answer says that there is no such thing here: a
// server says so in many ways.
func absent(err error) bool {
	return coder.IsUnsupported(err) || coder.IsNotFound(err) || coder.IsForbidden(err) || coder.IsInvalid(err)
}

// refused decides what a refusal means.
func (v *visit) refused(c *pageCall, err error) error {
	switch {
	case c.optional && absent(err):
		return errAbsent
	case coder.IsRateLimited(err):
		v.rec.Add(dashboardRateLimited, 1)
		v.putOff(err)
	case coder.IsUnauthorized(err) && c != callLogin:
		v.signedOut(err)
	}
	return err
}

// batch are calls of a page that go out side by side.
type batch struct {
	v     *visit
	calls []batchCall
}

type batchCall struct {
	kind         *pageCall
	method       string
	path, body   string
	into         any
	absent, done bool
}

func (b *batch) add(c *pageCall, method, path, body string, into any) {
	b.calls = append(b.calls, batchCall{kind: c, method: method, path: path, body: body, into: into})
}

// has reports whether the server has answered a call: it is not one of those that
// it lacks.
func (b *batch) has(path string) bool {
	for i := range b.calls {
		if b.calls[i].path == path {
			return b.calls[i].done && !b.calls[i].absent
		}
	}
	return false
}

func (b *batch) get(c *pageCall, path string, into any) {
	b.add(c, http.MethodGet, path, "", into)
}

// send makes the calls, as many at a time as a browser does. It returns the
// first error, when all are answered.
func (b *batch) send(ctx context.Context, wanted time.Time) error {
	var mu sync.Mutex
	var first error
	next := 0
	var wg sync.WaitGroup
	for range min(cap(b.v.browser.slots), len(b.calls)) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(b.calls) {
					return
				}
				c := &b.calls[i]
				err := b.v.ask(ctx, c.kind, wanted, c.method, c.path, c.body, c.into)
				c.done, c.absent = true, err == errAbsent
				if err != nil && !c.absent {
					mu.Lock()
					if first == nil {
						first = err
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return first
}
