package coder

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// AppHost reads the host under which apps have subdomains, such as
// "*.apps.example.com", with a port where there is one. It is empty when the
// deployment has none.
//
// GET /api/v2/applications/host
func (c *Client) AppHost(ctx context.Context) (string, error) {
	var out struct {
		Host string `json:"host"`
	}
	err := c.get(ctx, "read the app host", api("applications", "host"), nil, &out)
	return out.Host, err
}

// AppURL is where an app of a workspace's agent is served: on its subdomain
// if the app wants one, else under a path. The app host comes from AppHost.
//
// Go there by [Client.AppSession], which keeps the token from the app. Without a
// token the answer is a redirect (303) to the login page.
func (c *Client) AppURL(w Workspace, a Agent, app App, appHost string) (*url.URL, error) {
	switch {
	case app.External:
		return nil, fmt.Errorf("app %s of %s is a link to %s, nothing that Coder serves", app.Slug, w.FullName(), redactURL(app.URL))
	case !app.Subdomain:
		return c.PathAppURL(w.OwnerName, w.Name, a.Name, app.Slug), nil
	}
	label := app.SubdomainName
	if label == "" {
		label = SubdomainLabel(app.Slug, a.Name, w.Name, w.OwnerName)
	}
	return c.SubdomainURL(appHost, label)
}

// PortURL is where a port of a workspace is served. Ports have subdomains
// only.
func (c *Client) PortURL(w Workspace, a Agent, port int, appHost string) (*url.URL, error) {
	if port < 9 || port > 65535 {
		return nil, fmt.Errorf("port %d can't be served, expected 9 to 65535", port)
	}
	return c.SubdomainURL(appHost, SubdomainLabel(strconv.Itoa(port), a.Name, w.Name, w.OwnerName))
}

// PathAppURL is where an app is served under the access URL. The slash at its
// end belongs to it: without it the answer is a redirect (307), also for
// upgrades. Owner is a user name; servers don't know [Me] here. An empty
// agent means the only one.
func (c *Client) PathAppURL(owner, workspace, agent, slug string) *url.URL {
	if agent != "" {
		workspace += "." + agent
	}
	return c.join("@"+url.PathEscape(owner), url.PathEscape(workspace), "apps", url.PathEscape(slug)+"/")
}

// SubdomainLabel is the label of an app or port in the form that all versions
// understand. Take App.SubdomainName when there is one.
func SubdomainLabel(slugOrPort, agent, workspace, owner string) string {
	return strings.Join([]string{slugOrPort, agent, workspace, owner}, "--")
}

// SubdomainURL puts a label in the place of the app host's asterisk.
func (c *Client) SubdomainURL(appHost, label string) (*url.URL, error) {
	if appHost == "" {
		return nil, errors.New("the deployment has no app host; set CODER_WILDCARD_ACCESS_URL on the server, or use an app with a path")
	}
	if len(label) > 63 {
		return nil, fmt.Errorf("the label %s has %d characters, more than the 63 of a DNS label; use shorter names", label, len(label))
	}
	if !strings.HasPrefix(appHost, "*") {
		return nil, fmt.Errorf("the app host %q does not begin with an asterisk", appHost)
	}
	host := label + strings.TrimPrefix(appHost, "*")
	if !strings.Contains(host, ":") && c.base.Port() != "" {
		host += ":" + c.base.Port()
	}
	return &url.URL{Scheme: c.base.Scheme, Host: host, Path: "/"}, nil
}
