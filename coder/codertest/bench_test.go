package codertest

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/internal/wsconn"
)

// BenchmarkTerminalEcho is the CPU that a deployment needs for a terminal's
// message, beside that of the least that echoes the same bytes. Both run in
// processes of their own, in turn: 1,000 connections, 4 KiB every 100 ms each.
func BenchmarkTerminalEcho(b *testing.B) {
	const conns, messages, every = 1000, 10, 100 * time.Millisecond
	server, sink := startChild(b, "server"), startChild(b, "sink")
	payload := []byte(`{"data":"` + strings.Repeat("x", 4095) + `\n"}` + "\n")
	frame := wsconn.AppendFrame(nil, wsconn.Binary, 0x12345678, payload)
	var terminals, sinks []peer
	for i := range conns {
		terminals = append(terminals, peer{rawTerminal(b, server, i), frame, 4 + 4097})
		c, err := net.Dial("tcp", sink.Addr)
		require.NoError(b, err)
		b.Cleanup(func() { _ = c.Close() })
		sinks = append(sinks, peer{c, frame, len(frame)})
	}
	// The first rounds fill what terminals repeat.
	round(b, terminals, 20, every)
	round(b, sinks, 2, every)
	var serverCPU, sinkCPU time.Duration
	b.ResetTimer()
	for range b.N {
		before := server.cpu(b)
		round(b, terminals, messages, every)
		serverCPU += server.cpu(b) - before
		before = sink.cpu(b)
		round(b, sinks, messages, every)
		sinkCPU += sink.cpu(b) - before
	}
	n := float64(b.N * conns * messages)
	b.ReportMetric(float64(serverCPU)/n, "cpu-ns/msg")
	b.ReportMetric(float64(sinkCPU)/n, "sink-cpu-ns/msg")
	b.ReportMetric(float64(serverCPU)/float64(sinkCPU), "x-sink")
}

// rawTerminal opens a terminal and gives its connection.
func rawTerminal(b *testing.B, server *child, i int) net.Conn {
	conn, err := net.Dial("tcp", server.Addr)
	require.NoError(b, err)
	b.Cleanup(func() { _ = conn.Close() })
	q := url.Values{"reconnect": {uuid.NewString()}, "width": {"80"}, "height": {"25"}, "command": {dd}}
	req, err := http.NewRequest(http.MethodGet, "http://"+server.Addr+"/api/v2/workspaceagents/"+server.Agents[i]+"/pty?"+q.Encode(), nil)
	require.NoError(b, err)
	for k, v := range map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Coder-Session-Token": server.Token} {
		req.Header.Set(k, v)
	}
	require.NoError(b, req.Write(conn))
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, req)
	require.NoError(b, err)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(resp.Body)
		b.Fatalf("%d %s", resp.StatusCode, body)
	}
	require.Zero(b, r.Buffered())
	return conn
}
