package coordinator

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// talker is a peer and the stream that it is served on.
type talker struct {
	t    *testing.T
	id   uuid.UUID
	asks chan *request
	out  chan *response
	end  chan struct{}
	over chan error
}

func (s *talker) Send(m proto.Message) error {
	select {
	case s.out <- proto.Clone(m).(*response):
		return nil
	case <-s.end:
		return io.ErrClosedPipe
	}
}

func (s *talker) Recv(m proto.Message) error {
	select {
	case r := <-s.asks:
		proto.Merge(m, r)
		return nil
	case <-s.end:
		return io.EOF
	}
}

func (s *talker) Close() error {
	select {
	case <-s.end:
	default:
		close(s.end)
	}
	return nil
}

func talk(t *testing.T, c *Coordinator, id uuid.UUID, rules Rules) *talker {
	s := &talker{t, id, make(chan *request), make(chan *response), make(chan struct{}), make(chan error, 1)}
	go func() { s.over <- c.Serve(s, id, rules, func() { _ = s.Close() }) }()
	synctest.Wait()
	return s
}

func (s *talker) ask(r *request) {
	s.t.Helper()
	select {
	case s.asks <- r:
	case <-s.end:
		s.t.Fatal("the stream has ended")
	}
	synctest.Wait()
}

func (s *talker) isNamed(name string) { s.ask(&request{UpdateSelf: named(name)}) }

func named(name string) *tailnetpb.CoordinateRequest_UpdateSelf {
	return &tailnetpb.CoordinateRequest_UpdateSelf{Node: &tailnetpb.Node{Disco: name}}
}

func tunnel(id uuid.UUID) *tailnetpb.CoordinateRequest_Tunnel {
	return &tailnetpb.CoordinateRequest_Tunnel{Id: id[:]}
}

func (s *talker) tunnels(to uuid.UUID) { s.ask(&request{AddTunnel: tunnel(to)}) }

// hears checks the next update.
func (s *talker) hears(about uuid.UUID, k kind, name string) {
	s.t.Helper()
	select {
	case r := <-s.out:
		require.Len(s.t, r.PeerUpdates, 1, "%v", r)
		u := r.PeerUpdates[0]
		require.Equal(s.t, about[:], u.Id)
		require.Equal(s.t, k, u.Kind)
		require.Equal(s.t, name, u.GetNode().GetDisco())
	default:
		s.t.Fatal("nothing was said")
	}
	synctest.Wait()
}

func (s *talker) hearsNothing() {
	s.t.Helper()
	select {
	case r := <-s.out:
		s.t.Fatalf("unexpected: %v", r)
	default:
	}
}

// isSentAway checks the last response, and that the stream has ended.
func (s *talker) isSentAway(why string) {
	s.t.Helper()
	require.Contains(s.t, (<-s.out).Error, why)
	<-s.end
	<-s.over
}

func (s *talker) breaks() {
	_ = s.Close()
	require.NoError(s.t, <-s.over)
	synctest.Wait()
}

func in(t *testing.T, f func(t *testing.T, c *Coordinator)) {
	synctest.Test(t, func(t *testing.T) { f(t, New()) })
}

var agentRules = Rules{Agent: true, Strict: true}

func TestBothEndsOfATunnelLearnOfEachOther(t *testing.T) {
	in(t, func(t *testing.T, c *Coordinator) {
		agent, client := talk(t, c, uuid.New(), agentRules), talk(t, c, uuid.New(), Rules{})
		client.tunnels(agent.id)
		client.hearsNothing() // neither has said who it is
		agent.isNamed("a1")
		client.hears(agent.id, node, "a1")
		client.isNamed("c1")
		agent.hears(client.id, node, "c1")
		agent.ask(&request{ReadyForHandshake: []*tailnetpb.CoordinateRequest_ReadyForHandshake{{Id: client.id[:]}}})
		client.hears(agent.id, ready, "")
		agent.isNamed("a2")
		client.hears(agent.id, node, "a2")
		late := talk(t, c, uuid.New(), Rules{})
		late.isNamed("late")
		late.tunnels(agent.id)
		late.hears(agent.id, node, "a2")
		agent.hears(late.id, node, "late")
		client.hearsNothing()
		for _, s := range []*talker{agent, client, late} {
			s.breaks()
		}
		require.Zero(t, c.Peers())
		require.Empty(t, c.to)
		require.Empty(t, c.from)
	})
}

func TestABrokenStreamIsLostAndAFarewellIsNot(t *testing.T) {
	in(t, func(t *testing.T, c *Coordinator) {
		agent, client, polite := talk(t, c, uuid.New(), agentRules), talk(t, c, uuid.New(), Rules{}), talk(t, c, uuid.New(), Rules{})
		client.tunnels(agent.id)
		polite.tunnels(agent.id)
		client.breaks()
		agent.hears(client.id, lost, "")
		polite.ask(&request{Disconnect: &tailnetpb.CoordinateRequest_Disconnect{}})
		require.NoError(t, <-polite.over)
		agent.hears(polite.id, disconnected, "")
		agent.breaks()
		require.Empty(t, c.to)
	})
}

func TestAnAgentThatComesBackFindsItsClients(t *testing.T) {
	in(t, func(t *testing.T, c *Coordinator) {
		id := uuid.New()
		agent, client := talk(t, c, id, agentRules), talk(t, c, uuid.New(), Rules{})
		client.isNamed("c")
		client.tunnels(id)
		agent.hears(client.id, node, "c")
		agent.breaks()
		client.hears(id, lost, "")
		back := talk(t, c, id, agentRules)
		back.hears(client.id, node, "c")
		back.isNamed("a2")
		client.hears(id, node, "a2")
		client.breaks()
		back.hears(client.id, lost, "")
		back.breaks()
	})
}

func TestARemovedTunnelIsSilent(t *testing.T) {
	in(t, func(t *testing.T, c *Coordinator) {
		agent, client := talk(t, c, uuid.New(), agentRules), talk(t, c, uuid.New(), Rules{})
		client.ask(&request{UpdateSelf: named("c"), AddTunnel: tunnel(agent.id)})
		agent.hears(client.id, node, "c")
		client.ask(&request{RemoveTunnel: tunnel(agent.id)})
		agent.hears(client.id, disconnected, "")
		client.hears(agent.id, disconnected, "")
		client.ask(&request{RemoveTunnel: tunnel(agent.id)}) // there is none any more
		agent.isNamed("a")
		client.hearsNothing()
		agent.ask(&request{ReadyForHandshake: []*tailnetpb.CoordinateRequest_ReadyForHandshake{{Id: client.id[:]}}})
		require.Contains(t, (<-agent.out).Error, "no tunnel")
		agent.isNamed("a") // it was told and goes on
		client.breaks()
		agent.breaks()
	})
}

func TestWhoDoesWhatIsNotAllowedIsSentAway(t *testing.T) {
	id := uuid.MustParse("00112233-4455-4677-8899-aabbccddeeff")
	node := func(addresses, allowed []string) *request {
		return &request{UpdateSelf: &tailnetpb.CoordinateRequest_UpdateSelf{Node: &tailnetpb.Node{Addresses: addresses, AllowedIps: allowed}}}
	}
	ready := &request{ReadyForHandshake: []*tailnetpb.CoordinateRequest_ReadyForHandshake{{Id: id[:]}}}
	const other = "fd7a:115c:a1e0:4677:8899:aabb:ccdd:eeee/128"
	denied := Rules{Tunnel: func(uuid.UUID) error { return errors.New("it is not yours") }}
	for name, x := range map[string]struct {
		rules Rules
		ask   *request
		why   string
	}{
		"a tunnel to somebody else's agent": {denied, &request{AddTunnel: tunnel(id)}, "it is not yours"},
		"a tunnel to nothing":               {Rules{}, &request{AddTunnel: &tailnetpb.CoordinateRequest_Tunnel{Id: []byte("x")}}, "add a tunnel"},
		"no tunnel to nothing":              {Rules{}, &request{RemoveTunnel: &tailnetpb.CoordinateRequest_Tunnel{}}, "remove a tunnel"},
		"a tunnel of an agent":              {agentRules, &request{AddTunnel: tunnel(id)}, "agents may not"},
		"a client that is ready":            {Rules{}, ready, "only agents"},
		"an agent that is ready for x": {agentRules, &request{ReadyForHandshake: []*tailnetpb.CoordinateRequest_ReadyForHandshake{
			{Id: []byte("x")}}}, "ready for a handshake"},
		"no node":                    {Rules{}, &request{UpdateSelf: &tailnetpb.CoordinateRequest_UpdateSelf{}}, "there is none"},
		"no address":                 {Rules{}, node([]string{"x"}, nil), "address"},
		"a network":                  {Rules{}, node([]string{"fd7a:115c:a1e0::/48"}, nil), "48 bits"},
		"an IPv4 address":            {Rules{}, node([]string{"10.0.0.1/32"}, nil), "32 bits"},
		"an allowed network":         {Rules{Strict: true}, node(nil, []string{"::/0"}), "allowed IP"},
		"somebody else's address":    {agentRules, node([]string{other}, nil), "is not that of agent"},
		"somebody else's allowed IP": {agentRules, node(nil, []string{other}), "is not that of agent"},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, c *Coordinator) {
				p := talk(t, c, id, x.rules)
				p.ask(x.ask)
				p.isSentAway(x.why)
				require.Zero(t, c.Peers())
			})
		})
	}
}

func TestAddressesThatAreInOrderAreTaken(t *testing.T) {
	in(t, func(t *testing.T, c *Coordinator) {
		id := uuid.MustParse("00112233-4455-4677-8899-aabbccddeeff")
		own := []string{"fd7a:115c:a1e0:4677:8899:aabb:ccdd:eeff/128", "fd60:627a:a42b:4677:8899:aabb:ccdd:eeff/128"}
		anywhere := []string{"fd7a:115c:a1e0::1/128"}
		for rules, all := range map[*Rules][2][]string{
			{Agent: true, Strict: true}: {own, own},
			{Agent: true}:               {own, {"::/0"}}, // an older server does not look
			{Strict: true}:              {anywhere, anywhere},
		} {
			p := talk(t, c, id, *rules)
			p.ask(&request{UpdateSelf: &tailnetpb.CoordinateRequest_UpdateSelf{Node: &tailnetpb.Node{Addresses: all[0], AllowedIps: all[1]}}})
			p.isNamed("still there")
			p.breaks()
		}
	})
}

func TestAPeerThatReadsNothingIsDisconnected(t *testing.T) {
	in(t, func(t *testing.T, c *Coordinator) {
		agent, client := talk(t, c, uuid.New(), agentRules), talk(t, c, uuid.New(), Rules{})
		client.tunnels(agent.id)
		agent.isNamed("a")
		client.ask(&request{UpdateSelf: named("c")})
		agent.hears(client.id, node, "c")
		for range Queue + 1 { // besides the one that is being sent
			agent.isNamed("a")
		}
		agent.hears(client.id, lost, "")
		<-client.end // aborted
		require.NoError(t, <-client.over)
		agent.breaks()
	})
}

func TestTheSamePeerIDTakesOverItsTunnels(t *testing.T) {
	in(t, func(t *testing.T, c *Coordinator) {
		id := uuid.New()
		agent, old := talk(t, c, uuid.New(), agentRules), talk(t, c, id, Rules{})
		old.ask(&request{UpdateSelf: named("old"), AddTunnel: tunnel(agent.id)})
		agent.hears(id, node, "old")
		next := talk(t, c, id, Rules{})
		old.isSentAway("same peer ID")
		agent.hearsNothing()
		next.isNamed("next")
		agent.hears(id, node, "next")
		next.breaks()
		agent.hears(id, lost, "")
		agent.breaks()
	})
}

// scripted is a stream of messages that were made from anything.
type scripted struct{ left []byte }

func (s *scripted) Recv(m proto.Message) error {
	if len(s.left) == 0 {
		return io.EOF
	}
	n := min(int(s.left[0])+1, len(s.left))
	b := s.left[1:n]
	s.left = s.left[n:]
	return proto.Unmarshal(b, m)
}
func (*scripted) Send(proto.Message) error { return nil }
func (*scripted) Close() error             { return nil }

func FuzzServe(f *testing.F) {
	id := uuid.New()
	var seed []byte
	for _, r := range []*request{
		{UpdateSelf: named("a")}, {AddTunnel: tunnel(id)}, {RemoveTunnel: tunnel(id)},
		{ReadyForHandshake: []*tailnetpb.CoordinateRequest_ReadyForHandshake{{Id: id[:]}}},
		{Disconnect: &tailnetpb.CoordinateRequest_Disconnect{}},
	} {
		b, err := proto.Marshal(r)
		require.NoError(f, err)
		seed = append(append(seed, byte(len(b))), b...)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		c := New()
		for _, rules := range []Rules{{}, agentRules, {Strict: true}} {
			_ = c.Serve(&scripted{b}, id, rules, func() {})
		}
		require.Zero(t, c.Peers())
		require.Empty(t, c.to)
		require.Empty(t, c.from)
	})
}
