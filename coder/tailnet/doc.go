// Package tailnet reaches ports of workspace agents: SSH, terminals, and whatever
// listens in a workspace. One WireGuard node serves any number of agents, where
// Coder's own utility opens a node for each connection, and its command line is a
// process for each.
//
//	net, err := tailnet.Open(ctx, tailnet.Config{Client: client})
//	if err != nil {
//		return err
//	}
//	defer net.Close()
//	conn, err := net.Dial(ctx, agentID, tailnet.PortSSH)
//
// # What it puts on the deployment
//
// All traffic goes by DERP relays: the deployment's own, or that of the region in
// which the agent listens. Nothing goes directly from machine to machine. This is
// the load of a client with --disable-direct-connections (or of a deployment with
// CODER_BLOCK_DIRECT), which is the heavier one: each byte passes through the
// deployment. [Stats] says which relays the bytes went by.
//
// A node holds a WebSocket for the coordination and a connection to its relay. It
// holds the stream of DERP maps open and renews its resume token, as Coder's
// clients do. It does not report telemetry.
//
// # What goes wrong, and what then happens
//
//   - A relay or the coordination is lost: it is connected to again, and open
//     connections go on. With the resume token the deployment knows the node again.
//   - An agent restarts: its connections fail at once ("the agent has restarted"),
//     and a new one is made as soon as the agent is back.
//   - A workspace is stopped: its connections fail. Started again it has an agent
//     with another ID.
//   - A queue is full: packets are dropped and counted, as any network may. TCP
//     sends them again.
//
// # Versions
//
// Servers from 2.17 on, over version 2.0 of the tailnet API. The protocol's facts
// come from observation: messages are those of this module's own .proto files,
// agents listen on [PortSSH], the tunnel's MTU is 1280.
package tailnet
