package coder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// PreflightOptions says what a test is going to need.
type PreflightOptions struct {
	// Need are the rights without which there is no point in beginning.
	Need []Permission
}

// Preflight is what is known about a deployment and a token.
type Preflight struct {
	BuildInfo BuildInfo
	User      User
	Roles     []string // site roles of the user
	// Owner is whether the user is a site owner. The bypass header goes out
	// from now on if it is, unless Config.Bypass forbids it.
	Owner bool
}

// PreflightProblem is why a deployment can't be used.
type PreflightProblem string

// Problems that Preflight tells apart.
const (
	ProblemName        PreflightProblem = "name"        // the host name does not resolve
	ProblemUnreachable PreflightProblem = "unreachable" // refused, timed out or reset
	ProblemTLS         PreflightProblem = "tls"         // the certificate does not verify, or there is no TLS
	ProblemProxy       PreflightProblem = "proxy"       // something in front answers instead
	ProblemNotCoder    PreflightProblem = "not-coder"   // another server answers
	ProblemServer      PreflightProblem = "server"      // Coder answers with an error
	ProblemNoToken     PreflightProblem = "no-token"    // there is no token
	ProblemToken       PreflightProblem = "token"       // invalid, expired, or its user is suspended
	ProblemPermission  PreflightProblem = "permission"  // a right is missing
)

// PreflightError is a problem in one sentence.
type PreflightError struct {
	// Problem is the kind.
	Problem PreflightProblem
	// URL is the access URL.
	URL string
	// Reason says what is wrong and what to do.
	Reason string
	// Err is the cause. It can be nil.
	Err error
}

// Error says what is wrong with which deployment.
func (e *PreflightError) Error() string { return e.URL + " can't be tested: " + e.Reason }

// Unwrap returns the cause.
func (e *PreflightError) Unwrap() error { return e.Err }

// Preflight finds out whether the deployment can be reached and is Coder,
// whose token the client has, and whether it has the rights that are needed.
// It changes nothing. The error is a *[PreflightError] that says in one
// sentence what is wrong.
//
// GET /api/v2/buildinfo, /api/v2/users/me, /api/v2/users/me/roles,
// POST /api/v2/authcheck
func (c *Client) Preflight(ctx context.Context, o PreflightOptions) (Preflight, error) {
	var p Preflight
	var err error
	if p.BuildInfo, err = c.BuildInfo(ctx); err != nil {
		return p, c.reachProblem(ctx, err)
	}
	if p.BuildInfo.Version == "" {
		return p, c.problem(ProblemNotCoder, "it answers, but is not Coder; look for a typing error in the URL, or a missing path", nil)
	}
	if !c.HasToken() {
		return p, c.problem(ProblemNoToken, "there is no token; make one in the dashboard under Account, Tokens", nil)
	}
	if p.User, err = c.User(ctx, Me); err != nil {
		return p, c.tokenProblem(ctx, err)
	}
	p.Owner = p.User.IsOwner()
	for _, role := range p.User.Roles {
		p.Roles = append(p.Roles, role.Name)
	}
	// The roles endpoint counts what the identity provider adds.
	if roles, err := c.UserRoles(ctx, Me); err == nil {
		p.Roles, p.Owner = roles.Roles, roles.IsOwner()
	} else if !IsForbidden(err) && !IsNotFound(err) {
		return p, c.tokenProblem(ctx, err)
	}
	c.learnOwner(p.Owner)
	return p, c.checkRights(ctx, p, o.Need)
}

func (c *Client) checkRights(ctx context.Context, p Preflight, need []Permission) error {
	if len(need) == 0 {
		return nil
	}
	checks := make(map[string]Permission, len(need))
	for _, n := range need {
		checks[n.String()] = n
	}
	allowed, err := c.AuthCheck(ctx, checks)
	if err != nil {
		return c.tokenProblem(ctx, err)
	}
	var missing []string
	for _, n := range need {
		if !allowed[n.String()] {
			missing = append(missing, n.String())
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return c.problem(ProblemPermission, fmt.Sprintf("the token of %s may not %s; use the token of a user with that right, such as an owner",
		p.User.Username, strings.Join(missing, ", ")), nil)
}

func (c *Client) problem(kind PreflightProblem, reason string, err error) error {
	return &PreflightError{Problem: kind, URL: c.base.String(), Reason: reason, Err: err}
}

// reachProblem explains a failed first call, which has no token that could be
// wrong.
func (c *Client) reachProblem(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if t, ok := errors.AsType[*TransportError](err); ok {
		kind := ProblemUnreachable
		if _, ok := errors.AsType[*net.DNSError](t.Err); ok {
			kind = ProblemName
		} else if isTLSFailure(t.Err) || isPlainHTTP(t.Err) {
			kind = ProblemTLS
		}
		return c.problem(kind, t.Reason, err)
	}
	e := asError(err)
	says := fmt.Sprintf("%d %q", e.StatusCode, sentence(e.Message))
	switch {
	case e.StatusCode == 0:
		return err
	case strings.Contains(e.Message, "HTTP request to an HTTPS server"):
		return c.problem(ProblemTLS, "the server speaks TLS there; use https:// in the URL", err)
	case e.FromCoder && e.StatusCode >= 400:
		return c.problem(ProblemServer, "Coder answers with an error: "+says, err)
	case e.Location != "":
		return c.problem(ProblemProxy, "it redirects to "+e.Location+"; use the URL at which Coder answers itself, or let requests past the login of the proxy", err)
	case answersForOthers(e.StatusCode):
		return c.problem(ProblemProxy, "a proxy answers instead of Coder: "+says+"; see whether Coder is up, and whether the proxy wants a login", err)
	}
	return c.problem(ProblemNotCoder, "it answers "+says+" and is not Coder; look for a typing error in the URL, or a missing path", err)
}

// answersForOthers reports whether a status without Coder's mark is typical
// of a proxy.
func answersForOthers(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// tokenProblem explains a failed call with a token.
func (c *Client) tokenProblem(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	e := asError(err)
	if e.StatusCode != http.StatusUnauthorized {
		return c.reachProblem(ctx, err)
	}
	if !e.FromCoder {
		return c.problem(ProblemProxy, "a proxy refuses the request (401) before it reaches Coder; see whether the proxy wants a login", err)
	}
	reason := sentence(e.Message)
	if e.Detail != "" {
		reason = sentence(e.Detail)
	}
	if strings.Contains(e.Message, "not active") {
		return c.problem(ProblemToken, "the user of the token is suspended: "+reason+"; activate the user or take another token", err)
	}
	return c.problem(ProblemToken, "the token is invalid or expired: "+reason+"; make a new one", err)
}
