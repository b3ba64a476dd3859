// Package coder is a client of the REST and WebSocket API of Coder
// deployments. It covers what tests of a deployment need: users and tokens,
// templates, workspaces and their builds, logs, agents, apps. One client
// serves Coder 2.17 to 2.37.
//
// # Begin
//
//	client, err := coder.New(coder.Config{URL: "https://coder.example.com", Token: token})
//	…
//	found, err := client.Preflight(ctx, coder.PreflightOptions{
//		Need: []coder.Permission{{Action: "create", ResourceType: "workspace", AnyOrganization: true}},
//	})
//
// [Client.Preflight] says in one sentence what is wrong when a deployment
// can't be used: the URL, TLS, a proxy, the token or a missing right.
//
// # Layout
//
// There is a file for each thing that the API knows: user.go, key.go,
// organization.go, template.go, templateversion.go, workspace.go, build.go,
// agent.go, app.go and so on. The comment of each method names its endpoint.
// For endpoints without a method there are [Client.Get], [Client.Post] and
// [Client.Stream]. Logs and watches are sequences: range over them, and break
// to hang up.
//
// # Connections
//
// Control-plane calls share one HTTP client whose connections are reused.
// [Client.Isolated] gives each simulated user connections of its own, as
// browsers have them. Both speak HTTP/1.1, because one HTTP/2 connection would
// put everybody on one TCP stream and one replica; only a Config.HTTPClient
// can bring another protocol to the control plane. [Client.Dialer],
// [Client.Transport] and [Client.AppSession] are for terminals, apps and
// whatever else a caller dials, [Client.AuthHeader] for their headers, and
// [Client.ResponseError] for refusals.
//
// # Errors
//
// An answer that is not a success is an *[Error]; the Is functions say what
// it means, and see through the differences between versions. A call without
// an answer is a *[TransportError], a build that failed a *[JobError]. No
// error contains a token or a password, nor does anything that fmt prints of
// a [Client] or a [Config].
//
// # Repeats and rate limits
//
// Calls that are safe to repeat are sent again after a lost connection, 502,
// 503 or 504, with growing pauses, up to Config.MaxRetries times. A creation
// is sent again only when the server can't have seen it.
//
// A 429 is waited for as long as its Retry-After asks, for any call, because
// the server has not executed it. When the context ends sooner, the call
// fails at once and says so. [Client.RateLimited] counts them, and
// Config.OnRateLimit is told of each.
//
// The header that bypasses rate limits goes out only with a token that is
// known to belong to a site owner: newer servers refuse every call of a
// member who sends it. Preflight learns that, or Config.Bypass promises it.
//
// The context bounds a call with all its repeats and waits. There is no other
// timeout, because under load a slow answer is what one wants to see.
//
// # With the official SDK
//
// Someone who holds a client of Coder's own Go module passes on what it was
// made of:
//
//	client, err := coder.New(coder.Config{
//		URL:        sdk.URL.String(),
//		Token:      sdk.SessionToken(),
//		HTTPClient: sdk.HTTPClient,
//	})
package coder
