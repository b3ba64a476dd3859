// Package codertest is an embedded Coder deployment for tests, as
// net/http/httptest is for HTTP: a real HTTP and WebSocket server on loopback
// with users, tokens, templates, workspaces, builds, agents, terminals, workspace
// apps, SSH and a tailnet. What it puts on the wire is held to recordings of real
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
// to the SSH server of an agent without a tailnet.
//
// # The tailnet
//
// Clients that speak the tailnet's protocol find relays, which talk DERP, and a
// coordination at the usual routes. A client that opens a tunnel to an agent
// reaches its SSH server at ports 1 and 22 and its terminals at port 2. What the
// relay costs is a copy for each packet.
//
// Whoever has the token of an agent may play it: [Server.AgentToken], the build's
// state, or a template that shows it. What such an agent reports is what clients
// see of it, and its terminals and apps are reached by the deployment's own node
// in the tailnet. With Config.ExternalAgents all agents wait to be played.
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
//   - The tailnet: RelayRegions, RelayByWebSocket.
//   - Agents that somebody else plays: ExternalAgents, StatsInterval,
//     MetadataFlush.
//   - Metrics: PrometheusAddr serves them to anybody, besides
//     GET /api/v2/debug/metrics. What the process uses is also that of whatever
//     else runs in it, such as the test.
//   - Repeatability: Seed decides IDs, host keys, times and faults.
//
// # What can go wrong meanwhile
//
// [Server.Freeze], [Server.Thaw] and [Server.Stall] hold up all traffic.
// [Server.DropConnections] resets a share of the connections, and
// [Server.StopReplica] takes a replica away with its own. [Server.DropRelays] and
// [Server.DropCoordination] are for what holds a tailnet together.
// [Server.KillAgent], [Server.FreezeAgent] and [Server.ThawAgent] are for the
// agent of one workspace. [Server.SetRoutes] replaces the faults of routes. [Server.Stats]
// counts what has happened, and [Server.AppSawSessionToken] how often a client
// has shown its token to an app.
//
// Workspaces start by their autostart schedules. [Server.RunAutobuild] does it
// without waiting for the time. The metadata of agents changes every 5 s and
// tells when it was collected, so that its way to a client can be measured.
//
// # What is missing
//
// All packets of the tailnet go by relays: there are no direct connections, and no
// STUN. Agents that are played here have no ports but those above, so that their
// apps are not in the tailnet. Nobody is told of changes to workspaces by the
// tailnet's API (WorkspaceUpdates). Of what agents may report, the timings of
// scripts, connections and the use of resources are taken and forgotten, and
// there is no REST for agents but their key for git.
//
// Nothing stops a workspace by itself when its time is up. Templates are not
// evaluated: an uploaded one has the parameters and the apps of the
// configuration, and is looked through for agent_token and for_each = range(N)
// only. Licensed features are absent but for the workspace
// proxy and the prebuilt workspaces. testdata/unsupported.txt and
// testdata/unsupported-2.26.txt list each recording that the deployment is not
// held to.
package codertest
