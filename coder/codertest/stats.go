package codertest

import "sync/atomic"

// counters count what the deployment does.
type counters struct {
	requests, unauthorized, limited, failed, dropped atomic.Int64
	terminals, terminalsOpened                       atomic.Int64
	builds                                           atomic.Int64
	metadataCalls, statsCalls, logCalls              atomic.Int64
	routes                                           routeCounts
}

// Stats are counters since the start, and a few gauges.
type Stats struct {
	// Requests is the number of HTTP requests, WebSocket upgrades too.
	Requests int64
	// Unauthorized, RateLimited and Failed were answered with 401, 429, or an
	// error that the configuration asked for. Dropped ones got no answer.
	Unauthorized, RateLimited, Failed, Dropped int64
	// Connections are open now, on all replicas and the workspace proxy, with those
	// of SSH.
	Connections int
	// Terminals are connected now, TerminalsOpened since the start.
	Terminals, TerminalsOpened int64
	// MessagesIn and BytesIn are what terminals were sent, MessagesOut and
	// BytesOut what they sent back, as payload of WebSocket messages.
	MessagesIn, MessagesOut, BytesIn, BytesOut int64
	// AppSockets are WebSockets of workspace apps that are open now,
	// AppSocketsOpened since the start. AppRequests are all requests that reached
	// an app.
	AppSockets, AppSocketsOpened, AppRequests int64
	// AppBytesIn and AppBytesOut are what apps were sent and sent back, as
	// payload of messages and bodies.
	AppBytesIn, AppBytesOut int64
	// SSH connections to agents are open now, SSHOpened since the start.
	// SSHBytesIn and SSHBytesOut are what their programs read and wrote.
	SSH, SSHOpened, SSHBytesIn, SSHBytesOut int64
	// RelayClients are connected to the relays of all regions now. RelayPackets
	// and RelayBytes were handed on since the start, RelayDropped found the queue
	// of their receiver full.
	RelayClients                           int
	RelayPackets, RelayBytes, RelayDropped int64
	// AgentsConnected are the agents that are connected now, played here or not.
	AgentsConnected int
	// MetadataCalls, StatsCalls and LogCalls are how often agents have reported
	// metadata, statistics and lines of their logs since the start.
	MetadataCalls, StatsCalls, LogCalls int64
	// Routes are the requests by what was asked and answered. A stream counts
	// from its beginning.
	Routes map[RouteCode]int64
	// Builds is the number of builds that have been asked for.
	Builds int64
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	c := &s.stats
	st := Stats{
		Requests: c.requests.Load(), Unauthorized: c.unauthorized.Load(), RateLimited: c.limited.Load(),
		Failed: c.failed.Load(), Dropped: c.dropped.Load(),
		Terminals: c.terminals.Load(), TerminalsOpened: c.terminalsOpened.Load(),
		Builds: c.builds.Load(), Routes: c.routes.all(),
	}
	t := s.hub.traffic()
	a := &s.apps
	st.AppSockets, st.AppSocketsOpened, st.AppRequests = a.open.Load(), a.opened.Load(), a.requests.Load()
	st.AppBytesIn, st.AppBytesOut = a.traffic()
	st.SSH, st.SSHOpened = s.ssh.open.Load(), s.ssh.opened.Load()
	st.SSHBytesIn, st.SSHBytesOut = s.ssh.received.Load(), s.ssh.sent.Load()
	st.MessagesIn, st.MessagesOut, st.BytesIn, st.BytesOut = t.messagesIn, t.messagesOut, t.bytesIn, t.bytesOut
	st.MetadataCalls, st.StatsCalls, st.LogCalls = c.metadataCalls.Load(), c.statsCalls.Load(), c.logCalls.Load()
	st.AgentsConnected = s.agentsConnected()
	for _, m := range s.meshes() {
		r := m.Stats()
		st.RelayClients += r.Clients
		st.RelayPackets, st.RelayBytes, st.RelayDropped = st.RelayPackets+r.Packets, st.RelayBytes+r.Bytes, st.RelayDropped+r.Dropped
	}
	for _, r := range s.fronts() {
		st.Connections += r.conns.len()
	}
	return st
}

func (s *Server) agentsConnected() int {
	n := 0
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	for _, w := range s.state.workspaceList {
		for a := range w.latest().agents() {
			if a.status(s.cfg.AgentTimeout) == "connected" {
				n++
			}
		}
	}
	return n
}
