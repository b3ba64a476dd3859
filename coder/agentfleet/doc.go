// Package agentfleet plays workspace agents: thousands in one process, against a
// live deployment (2.17 to 2.37) or an embedded one. To the deployment they are
// connected and ready, report statistics, metadata and the health of apps, and
// can serve terminals, SSH and apps over the tailnet. No machine stands behind
// them.
//
// # Begin
//
// A [Pool] makes the workspaces, once, from a template of its own that needs no
// machine. A [Fleet] plays their agents, as often as one likes:
//
//	pool := agentfleet.Pool{Client: client, Count: 1000}
//	agents, err := pool.Ensure(ctx)
//	…
//	fleet, err := agentfleet.Start(ctx, agentfleet.Config{Client: client, Agents: agents, Metadata: agentfleet.Greedy})
//	…
//	defer fleet.Close(ctx)
//	err = fleet.WaitReady(ctx)
//
// Agents of other workspaces are played as well, if their tokens can be had: see
// [FindAgents].
//
// # What an agent does
//
// It opens a WebSocket with its token, asks for its manifest, reports its version,
// starting, a few lines of log, and ready. Then it holds a stream of DERP maps and
// one of the coordination, reports statistics at the interval that the deployment
// asks for (30 s), each metadata item at its declared interval, and that apps with
// a health check are healthy. When the connection is lost it comes back after one
// to two seconds, later less often. It ends when the deployment refuses its token:
// then its workspace has a newer build, or none that runs.
//
// # What agents cost
//
// An agent that waits has two goroutines and about 20 KiB. What they do in
// periods is done by one timer and by as many workers as calls are under way. A
// greedy one has 40 KiB. Serving agents have a WireGuard device and a TCP stack of
// their own, and cost half a megabyte and thirty goroutines each before anybody
// uses them.
//
// # Sub-agents
//
// Config.SubAgents multiplies the load on the sockets, the statistics and the
// database without workspaces: agents of containers, as the deployment sees them.
// They are not workspaces: they have no builds, no owner of their own and no
// declared metadata, and go with the next build of their parent. [Stats] counts
// them apart.
//
// # Rate limits
//
// A deployment counts 512 requests a minute for each path, and the requests of
// agents by the address from which they come. Without a higher limit
// (CODER_API_RATE_LIMIT) 512 agents a minute connect from one machine, and the
// others wait their turn.
package agentfleet
