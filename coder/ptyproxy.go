package coder

import (
	"context"
	"net/http"
	"net/url"

	"github.com/google/uuid"
)

// signedTokenQuery is the parameter that carries a signed app token, for
// clients that can't set a cookie on another host.
const signedTokenQuery = "coder_signed_app_token_23db1dde"

// proxyTerminal is where a terminal is opened through a workspace proxy. The
// deployment signs a token for it, which the proxy takes without asking.
//
// POST /api/v2/applications/reconnecting-pty-signed-token
func (c *Client) proxyTerminal(ctx context.Context, proxy *url.URL, agent uuid.UUID, query url.Values) (*url.URL, error) {
	base, err := parseBase(proxy.String())
	if err != nil {
		return nil, err
	}
	through := *c
	through.base = base
	u, err := through.resolve(api("workspaceagents", agent.String(), "pty"), query)
	if err != nil {
		return nil, err
	}
	signed := *u
	signed.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	signed.RawQuery = ""
	var out struct {
		Token string `json:"signed_token"`
	}
	err = c.do(ctx, call{
		action: "sign a token for a terminal through " + base.Host, method: http.MethodPost,
		path: api("applications", "reconnecting-pty-signed-token"),
		body: map[string]string{"url": signed.String(), "agentID": agent.String()}, out: &out,
		repeatable: true,
	})
	switch {
	case err == nil:
		query.Set(signedTokenQuery, out.Token)
		u.RawQuery = query.Encode()
	case !IsNotFound(err) && !IsUnsupported(err):
		return nil, err
	}
	return u, nil
}
