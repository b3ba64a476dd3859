package node

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.zx2c4.com/wireguard/conn"

	"github.com/coderscale/scaletest/coder/internal/derp"
)

// undriven is a node without a device: the test is what receives.
func undriven(t *testing.T, r *fakeRelay) *Node {
	n := &Node{
		cfg: Config{Home: 999, Relay: r.dial, Batch: 4}, private: derp.NewPrivateKey(),
		links: map[int]*link{}, endpoints: map[derp.Key]*endpoint{}, relayed: make(chan relayed, 16),
	}
	n.public = n.private.Public()
	n.ctx, n.cancel = context.WithCancel(context.Background())
	home, err := n.openLink(n.ctx, 999)
	require.NoError(t, err)
	n.homeLink = home
	t.Cleanup(func() {
		n.cancel()
		home.close()
		n.wg.Wait()
	})
	return n
}

func TestTheRelayAtHomeIsReadWhenThereAreSeveralWhileTheDeviceIsBusy(t *testing.T) {
	for name, first := range map[string]int{"before it has received anything": 0, "between two packets": 1} {
		t.Run(name, func(t *testing.T) {
			r := newRelay(t)
			n, sender := undriven(t, r), undriven(t, r)
			b := &bind{node: n}
			receivers, _, err := b.Open(0)
			require.NoError(t, err)
			defer func() { require.NoError(t, b.Close()) }()
			packets, sizes, from := make([][]byte, 4), make([]int, 4), make([]conn.Endpoint, 4)
			for i := range packets {
				packets[i] = make([]byte, 100)
			}
			receive := func(text string) {
				sender.homeLink.send(n.public, [][]byte{[]byte(text)})
				got, err := receivers[0](packets, sizes, from)
				require.NoError(t, err)
				require.Equal(t, 1, got)
				require.Equal(t, text, string(packets[0][:sizes[0]]))
			}
			for range first {
				receive("while home is all there is")
			}
			n.homeLink.handOver()
			receive("when another region has come")
			receive("and after that")
		})
	}
}
