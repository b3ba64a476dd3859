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
//
// [Server.DialAgent] connects to the SSH server of an agent, as a tailnet would.
//
// # What can be set
//
// The zero [Config] is a healthy deployment with the rate limits of a real one.
//
//   - Size: Workspaces and Users. With users, the workspaces are theirs, and
//     permissions matter: a member sees only their own.
//   - Builds: BuildTime, BuildFailureRate, AgentTime, and Provisioners, beyond
//     which jobs wait in line.
//   - Limits: RateLimit and LoginRateLimit, with -1 for none. Load tests want
//     that, or the header by which owners go past the limits.
//   - Templates: Parameters are what they ask for. Others can be uploaded.
//   - Faults of routes: Routes make requests slow, failing, or without an
//     answer. A [Latency] is fixed, uniform or log-normal.
//   - Replicas: so many servers behind one address.
//   - Apps: Apps, reached by a path or below AppHost. WorkspaceProxy serves them
//     at another address too. PathAppSharing is what real servers warn of.
//   - Terminals: ReplayBytes, PingInterval, AgentTimeout.
//   - Repeatability: Seed decides IDs, times and faults.
//
// # What can go wrong meanwhile
//
// [Server.Freeze], [Server.Thaw] and [Server.Stall] hold up all traffic.
// [Server.DropConnections] resets a share of the connections, and
// [Server.StopReplica] takes a replica away with its own. [Server.KillAgent],
// [Server.FreezeAgent] and [Server.ThawAgent] are for the agent of one
// workspace. [Server.SetRoutes] replaces the faults of routes. [Server.Stats]
// counts what has happened.
//
// # What is missing
//
// There is no tailnet, there are no no dynamic parameters, and no
// metrics of the server. testdata/unsupported.txt lists each recording that the
// deployment is not held to.
package codertest
