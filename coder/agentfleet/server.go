package agentfleet

import (
	"context"
	"fmt"

	"github.com/coderscale/scaletest/coder/internal/agentpb"
	"github.com/coderscale/scaletest/coder/internal/agentserve"
	"github.com/coderscale/scaletest/coder/internal/node"
	"github.com/coderscale/scaletest/coder/internal/rpc"
)

// packet is about what a packet carries: the MTU of a tailnet is 1280 bytes.
const packet = 1200

// server is what a serving agent has in the tailnet. It outlives connections to
// the deployment, as the sessions through it do.
type server struct {
	node *node.Node
	serv *agentserve.Server
}

// serve joins the tailnet over the agent's session.
func (a *agent) serve(ctx context.Context, m *agentpb.Manifest) error {
	if a.server == nil {
		s, err := a.newServer(ctx, m)
		if err != nil {
			return err
		}
		a.server = s
	}
	life := context.WithoutCancel(ctx) // it ends with the session, in which the agent may still take its leave
	stream, err := a.session.Stream(life, coordinate)
	if err != nil {
		return err
	}
	go a.server.coordinate(life, stream, a.link)
	return nil
}

// coordinate takes part until the stream ends, and with it the connection.
func (s *server) coordinate(ctx context.Context, stream *rpc.Stream, l *link) {
	err := s.node.Coordinate(ctx, stream)
	if err == nil {
		err = errServerClosed
	}
	l.end(fmt.Errorf("the coordination ended: %w", err))
}

func (a *agent) newServer(ctx context.Context, m *agentpb.Manifest) (*server, error) {
	relays, err := a.fleet.relays.of(m)
	if err != nil {
		return nil, err
	}
	// wireguard-go keeps 64 KiB for each packet of a batch, three times: with the
	// node's usual batch that would be 6 MiB for each agent.
	n, err := node.New(ctx, node.Config{ID: a.ref.ID, Agent: true, Home: relays.Home(), Relay: relays.Dial, Batch: 1, Queue: 64})
	if err != nil {
		return nil, err
	}
	var apps []agentserve.App
	for _, app := range m.GetApps() {
		if port := agentserve.PortOf(app.GetUrl()); !app.GetExternal() && port != 0 {
			apps = append(apps, agentserve.App{Slug: app.GetSlug(), Port: port})
		}
	}
	serv, err := agentserve.Start(agentserve.Config{
		Listen: n.Listen, Name: a.ref.Workspace + "." + a.ref.Name, Apps: apps, Counters: &a.fleet.counters.served,
	})
	if err != nil {
		_ = n.Close() // it has just begun
		return nil, err
	}
	return &server{n, serv}, nil
}

func (s *server) close() {
	s.serv.Close()
	_ = s.node.Close() // it is over in any case
}

// report is the traffic since the last one. Sessions go out in both forms, because
// servers before 2.37 know only the older.
func (s *server) report() *agentpb.Stats {
	t := s.serv.Report()
	out := &agentpb.Stats{
		RxBytes: t.In, TxBytes: t.Out, RxPackets: (t.In + packet - 1) / packet, TxPackets: (t.Out + packet - 1) / packet,
		ConnectionCount: int64(t.Connections), SessionCountSsh: t.SSH, SessionCountReconnectingPty: t.Terminals,
		SessionCounts: map[string]int64{},
	}
	if t.Connections > 0 {
		out.ConnectionsByProto = map[string]int64{"TCP": int64(t.Connections)}
		out.ConnectionMedianLatencyMs = 1 // nothing here is pinged
	}
	if t.SSH > 0 {
		out.SessionCounts["ssh"] = t.SSH
	}
	if t.Terminals > 0 {
		out.SessionCounts["reconnecting_pty"] = t.Terminals
	}
	return out
}
