package tailnet_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	wgnet "golang.zx2c4.com/wireguard/tun/netstack"

	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/coder/internal/derp"
	"github.com/coderscale/scaletest/coder/tailnet"
)

// BenchmarkStream is one connection as fast as it goes, by the relay of a
// deployment in the same process, and beside it, in turns, the same bytes over
// WireGuard's own netstack and plain UDP on loopback, where no relay is in between.
//
//	go test -run '^$' -bench Stream -benchtime 10x ./coder/tailnet
func BenchmarkStream(b *testing.B) {
	server, client := deploy(b, codertest.Config{Workspaces: 1})
	agent := startAgent(b, server, client, "admin/scaletest-0", 0)
	agent.serve(b, 7, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	agent.serve(b, 8, flood)
	n := open(b, tailnet.Config{Client: client})
	dial := func(port uint16) net.Conn {
		c, err := n.Dial(within(b, 10*time.Second), agent.id, port)
		require.NoError(b, err)
		return c
	}
	plain := plainWireGuard(b)
	for way, port := range map[string]uint16{"up": 7, "down": 8} {
		b.Run(way, func(b *testing.B) {
			var sum, base float64
			for range b.N {
				base += stream(b, plain(port), way == "up")
				sum += stream(b, dial(port), way == "up")
			}
			n := float64(b.N)
			b.ReportMetric(sum/n, "MiB/s")
			b.ReportMetric(base/n, "plain-MiB/s")
			b.ReportMetric(sum/base, "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func flood(c net.Conn) {
	b := make([]byte, 64<<10)
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// stream moves bytes for a second and returns MiB/s.
func stream(b *testing.B, c net.Conn, up bool) float64 {
	defer c.Close()
	buf := make([]byte, 64<<10)
	total := 0
	begin := time.Now()
	for time.Since(begin) < time.Second {
		var n int
		var err error
		if up {
			n, err = c.Write(buf)
		} else {
			n, err = c.Read(buf)
		}
		require.NoError(b, err)
		total += n
	}
	return float64(total) / (1 << 20) / time.Since(begin).Seconds()
}

// plainWireGuard is two devices on UDP. It returns what dials the second from the
// first.
func plainWireGuard(b *testing.B) func(port uint16) net.Conn {
	addrs := []netip.Addr{netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")}
	keys := []derp.Key{derp.NewPrivateKey(), derp.NewPrivateKey()}
	var nets []*wgnet.Net
	var devices []*device.Device
	var ports []int
	for i := range 2 {
		t, n, err := wgnet.CreateNetTUN(addrs[i:i+1], nil, 1280)
		require.NoError(b, err)
		d := device.NewDevice(t, conn.NewStdNetBind(), &device.Logger{Verbosef: device.DiscardLogf, Errorf: device.DiscardLogf})
		b.Cleanup(d.Close)
		ports = append(ports, freePort(b))
		require.NoError(b, d.IpcSet(fmt.Sprintf("private_key=%s\nlisten_port=%d\n", hex.EncodeToString(keys[i][:]), ports[i])))
		nets, devices = append(nets, n), append(devices, d)
	}
	for i := range 2 {
		public := keys[1-i].Public()
		require.NoError(b, devices[i].IpcSet(fmt.Sprintf("public_key=%s\nendpoint=127.0.0.1:%d\nallowed_ip=%s/128\n",
			hex.EncodeToString(public[:]), ports[1-i], addrs[1-i])))
		require.NoError(b, devices[i].Up())
	}
	for port, answer := range map[int]func(net.Conn){7: func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, 8: flood} {
		l, err := nets[1].ListenTCP(&net.TCPAddr{Port: port})
		require.NoError(b, err)
		b.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					answer(c)
				}()
			}
		}()
	}
	return func(port uint16) net.Conn {
		c, err := nets[0].DialContextTCPAddrPort(context.Background(), netip.AddrPortFrom(addrs[1], port))
		require.NoError(b, err)
		return c
	}
}

func freePort(b *testing.B) int {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(b, err)
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}
