// Package codertest is an embedded Coder deployment for tests, as
// net/http/httptest is for HTTP: a real HTTP and WebSocket server on loopback
// with users, tokens, templates, workspaces, builds, agents, terminals, workspace
// apps and SSH. What it puts on the wire is held to recordings of real
// deployments of two versions.
//
// [Start] is for tests, [New] for everything else:
//
//	server := codertest.Start(t, codertest.Config{Workspaces: 200})
//	client, err := coder.New(coder.Config{URL: server.URL(), Token: server.OwnerToken()})
//
// The workspaces are named scaletest-0, scaletest-1 and so on. All of them are
// running, with an agent that is connected and ready. Nothing behind them is
// real: a terminal is a line discipline and a program that this package plays,
// and so are the apps and the commands that SSH runs. [Server.DialAgent] connects
// to the SSH server of an agent, as a tailnet would.
//
// # What can be set
//
// The zero [Config] is a healthy deployment with the rate limits of a real one.
//
//   - Size: Workspaces and Users. With users, the workspaces are theirs, and
//     permissions matter: a member sees only their own. Prebuilds are workspaces
//     that nobody has claimed.
//   - Version: before v2.32 the deployment behaves as 2.26 does, and otherwise as
//     2.37. Limits by address, canceled builds that run all the same, and
//     connections that hang after a stop are what differs most.
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
//   - Repeatability: Seed decides IDs, host keys, times and faults.
//
// # What can go wrong meanwhile
//
// [Server.Freeze], [Server.Thaw] and [Server.Stall] hold up all traffic.
// [Server.DropConnections] resets a share of the connections, and
// [Server.StopReplica] takes a replica away with its own. [Server.KillAgent],
// [Server.FreezeAgent] and [Server.ThawAgent] are for the agent of one
// workspace. [Server.SetRoutes] replaces the faults of routes. [Server.Stats]
// counts what has happened, and [Server.AppSawSessionToken] how often a client
// has shown its token to an app.
//
// Workspaces start by their autostart schedules. [Server.RunAutobuild] does it
// without waiting for the time. The metadata of agents changes every 5 s and
// tells when it was collected, so that its way to a client can be measured.
//
// # What is missing
//
// There is no tailnet on the wire, only the refusals of one, and agents do not
// connect to the API: they are part of the deployment. Nothing stops a workspace by itself when its time is
// up. Templates are not evaluated: an uploaded one has the parameters and the
// apps of the configuration. Licensed features are absent but for the workspace
// proxy and the prebuilt workspaces. testdata/unsupported.txt and
// testdata/unsupported-2.26.txt list each recording that the deployment is not
// held to.
package codertest
