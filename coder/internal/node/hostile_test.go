package node

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/coderscale/scaletest/coder/internal/derp"
	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

// hostileRelay greets and then does something bad.
func hostileRelay(t testing.TB, bad func(net.Conn)) (dial func(context.Context, int) (io.ReadWriteCloser, error), dials *atomic.Int64) {
	dials = new(atomic.Int64)
	private := derp.NewPrivateKey()
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	return func(context.Context, int) (io.ReadWriteCloser, error) {
		dials.Add(1)
		a, b := net.Pipe()
		wg.Go(func() {
			defer b.Close()
			if k, err := derp.Welcome(b, derp.NewReader(b, 1024), private); err == nil && derp.Admit(b, k, private) == nil {
				bad(b)
			}
		})
		return a, nil
	}, dials
}

func TestAHostileRelayNeitherExhaustsNorHangsTheNode(t *testing.T) {
	flood := func(frame []byte) func(net.Conn) {
		return func(c net.Conn) {
			for {
				if _, err := c.Write(frame); err != nil {
					return
				}
			}
		}
	}
	someone := derp.NewPrivateKey().Public()
	for name, bad := range map[string]func(net.Conn){
		"hangs up":           func(net.Conn) {},
		"sends nonsense":     func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 500 no\r\n\r\n")) },
		"promises too much":  flood(derp.AppendHeader(nil, derp.RecvPacket, 1<<31)),
		"floods with pings":  flood(derp.AppendFrame(nil, derp.Ping, make([]byte, 8))),
		"floods with gone":   flood(derp.AppendFrame(nil, derp.PeerGone, someone[:], []byte{0})),
		"floods with others": flood(derp.AppendFrame(nil, 0x77, make([]byte, 60_000))),
		"strangers":          flood(derp.AppendFrame(nil, derp.RecvPacket, someone[:], append([]byte{1, 0, 0, 0}, make([]byte, 144)...))),
		"long packets":       flood(derp.AppendFrame(nil, derp.RecvPacket, someone[:], make([]byte, derp.MaxPacket))),
		"empty packets":      flood(derp.AppendFrame(nil, derp.RecvPacket, someone[:])),
	} {
		t.Run(name, func(t *testing.T) {
			dial, dials := hostileRelay(t, bad)
			n, err := New(context.Background(), Config{Home: 999, Relay: dial})
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			_, err = n.Dial(ctx, uuid.New(), 1)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NoError(t, n.Close())
			require.Less(t, dials.Load(), int64(20), "it is dialed without a pause")
		})
	}
}

func TestACoordinationThatIsHostileNeitherExhaustsNorHangsTheNode(t *testing.T) {
	r := newRelay(t)
	strangers := func() *tailnetpb.CoordinateResponse {
		id := uuid.New()
		return &tailnetpb.CoordinateResponse{PeerUpdates: []*tailnetpb.CoordinateResponse_PeerUpdate{{
			Id: id[:], Kind: tailnetpb.CoordinateResponse_PeerUpdate_NODE,
			Node: &tailnetpb.Node{Key: append([]byte("np"), make([]byte, 32)...), PreferredDerp: 1, AllowedIps: []string{"::/0"}},
		}}}
	}
	client := start(t, newHub(), Config{Home: 999, Relay: r.dial})
	h := newHub()
	other, err := New(context.Background(), Config{Home: 999, Relay: r.dial})
	require.NoError(t, err)
	defer other.Close()
	m := h.join(other.ID())
	for range 1000 {
		m.in <- strangers()
	}
	m.in <- &tailnetpb.CoordinateResponse{Error: string(make([]byte, 1<<20))}
	err = other.Coordinate(context.Background(), m)
	require.ErrorContains(t, err, "the coordination refuses")
	require.Less(t, len(err.Error()), 300)
	require.Empty(t, other.peers)
	require.Len(t, client.links, 1)
}

func FuzzCoordination(f *testing.F) {
	id := uuid.New()
	seed, err := proto.Marshal(&tailnetpb.CoordinateResponse{PeerUpdates: []*tailnetpb.CoordinateResponse_PeerUpdate{
		{Id: id[:], Kind: tailnetpb.CoordinateResponse_PeerUpdate_NODE, Node: &tailnetpb.Node{
			Key: append([]byte("np"), make([]byte, 32)...), PreferredDerp: 999, AllowedIps: []string{"fd7a:115c:a1e0::1/128"},
		}},
		{Id: id[:], Kind: tailnetpb.CoordinateResponse_PeerUpdate_READY_FOR_HANDSHAKE},
		{Id: id[:], Kind: tailnetpb.CoordinateResponse_PeerUpdate_LOST},
		{Id: id[:], Kind: tailnetpb.CoordinateResponse_PeerUpdate_DISCONNECTED},
	}})
	require.NoError(f, err)
	f.Add(seed)
	dial, _ := hostileRelay(f, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	n, err := New(context.Background(), Config{ID: uuid.New(), Agent: true, Home: 999, Relay: dial})
	require.NoError(f, err)
	f.Cleanup(func() { _ = n.Close() })
	f.Fuzz(func(_ *testing.T, b []byte) {
		var m tailnetpb.CoordinateResponse
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		for _, u := range m.GetPeerUpdates() {
			n.apply(u)
		}
	})
}

func FuzzPacket(f *testing.F) {
	n := &Node{cfg: Config{Queue: 8}}
	n.tunnel = newTunnel(n, 8, 8)
	stack, err := newNetstack(card{n.tunnel}, addresses(uuid.New(), true))
	require.NoError(f, err)
	f.Cleanup(func() {
		_ = n.tunnel.Close()
		stack.close()
	})
	ping := make([]byte, 49)
	ping[0], ping[6], ping[40] = 0x60, 99, 'p'
	f.Add(ping)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := n.tunnel.Write([][]byte{append(make([]byte, 16), b...)}, 16); err != nil {
			t.Fatal(err)
		}
	})
}
