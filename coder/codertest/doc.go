// Package codertest is an embedded Coder deployment for tests, as
// net/http/httptest is for HTTP: a real HTTP and WebSocket server on loopback
// with users, tokens, templates, workspaces, builds, agents and terminals. What
// it puts on the wire is held to recordings of a real deployment.
//
// [Start] is for tests, [New] for everything else:
//
//	server := codertest.Start(t, codertest.Config{Workspaces: 200})
//	client, err := coder.New(coder.Config{URL: server.URL(), Token: server.OwnerToken()})
//
// The workspaces are named scaletest-0, scaletest-1 and so on. All of them are
// running, with an agent that is connected and ready. Nothing behind them is
// real: a terminal is a line discipline and a program that this package plays.
package codertest
