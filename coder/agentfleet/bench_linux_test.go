package agentfleet

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
)

// memory is the heap and the stacks that are in use.
func memory() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// BenchmarkAgent is what an agent costs this process. The deployment, which does
// nothing but answer, is another one.
//
//	KiB/agent      heap and stacks that are in use, of all goroutines
//	%core/agent    CPU time of this process while nothing but the agents goes on
//	goroutines/agent
//	ready-s        from the start to the last agent that is ready
//	RSS-MB         the whole process
//	KiB-bare       beside it: a WebSocket that is open, with a goroutine that reads
func BenchmarkAgent(b *testing.B) {
	for _, c := range []struct {
		name     string
		how      string
		agents   int
		metadata Metadata
		span     time.Duration
	}{
		{"idle/agents=5000", "idle", 5000, Metadata{}, 30 * time.Second},
		{"greedy/agents=200", "greedy", 200, Greedy, 10 * time.Second},
		{"serving/agents=100", "serving", servingAgents, Metadata{}, 10 * time.Second},
	} {
		b.Run(c.name, func(b *testing.B) {
			client := elsewhere(b, c.how)
			cfg := Config{Client: client, Agents: agents(c.agents), Metadata: c.metadata}
			if c.how == "serving" {
				list, err := client.AllWorkspaces(b.Context(), coder.WorkspacesQuery{})
				require.NoError(b, err)
				cfg.Agents, err = FindAgents(b.Context(), client, list)
				require.NoError(b, err)
				cfg.Serving = All
			}
			b.ResetTimer()
			for range b.N {
				before, goroutines := memory(), runtime.NumGoroutine()
				began := time.Now()
				f, err := Start(context.Background(), cfg)
				require.NoError(b, err)
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				require.NoError(b, f.WaitReady(ctx))
				cancel()
				ready := time.Since(began)
				cpu := cpuTime(b)
				began = time.Now()
				time.Sleep(c.span)
				used := cpuTime(b) - cpu
				took := time.Since(began)
				n := float64(c.agents)
				rss := residentMB(b)
				b.ReportMetric((memory()-before)/1024/n, "KiB/agent")
				b.ReportMetric(used.Seconds()/took.Seconds()*100/n, "%core/agent")
				b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/n, "goroutines/agent")
				b.ReportMetric(ready.Seconds(), "ready-s")
				b.ReportMetric(rss, "RSS-MB")
				s := f.Stats()
				require.Zero(b, s.Failed())
				require.Zero(b, s.Lost)
				b.ReportMetric(float64(s.Calls["BatchUpdateMetadata"].Done), "metadata-calls")
				require.NoError(b, f.Close(context.Background()))
			}
			b.ReportMetric(0, "ns/op")
			if c.how != "serving" {
				b.ReportMetric(bare(b, client), "KiB-bare")
			}
		})
	}
}

// bare is what a WebSocket costs on which somebody reads.
func bare(b *testing.B, client *coder.Client) float64 {
	const n = 500
	before := memory()
	var sockets []*coder.Socket
	done := make(chan struct{})
	for range n {
		s, err := client.WithToken("bare").Socket(b.Context(), "open", "/api/v2/workspaceagents/me/rpc?version=2.0&role=agent")
		require.NoError(b, err)
		sockets = append(sockets, s)
		go func() {
			buf := make([]byte, 4<<10)
			for {
				if _, err := s.Read(buf); err != nil {
					done <- struct{}{}
					return
				}
			}
		}()
	}
	cost := (memory() - before) / 1024 / n
	for _, s := range sockets {
		_ = s.Close()
		<-done
	}
	return cost
}

// cpuTime is what this process has used.
func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// residentMB is the memory of this process as the system sees it.
func residentMB(tb testing.TB) float64 {
	b, err := os.ReadFile("/proc/self/statm")
	require.NoError(tb, err)
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	require.NoError(tb, err)
	return float64(pages*os.Getpagesize()) / 1e6
}
