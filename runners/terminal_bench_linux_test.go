package runners_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/traffic"
)

// swallow is the agent whose terminals the sink does not echo.
var swallow = uuid.MustParse("00000000-0000-4000-8000-000000000000")

// dialTerminals opens n terminals at the sink.
func dialTerminals(tb testing.TB, address string, secure bool, agent uuid.UUID, n int) []*coder.PTY {
	tb.Helper()
	cfg := coder.Config{URL: "http://" + address, Token: "0123456789-0123456789012345678901"}
	if secure {
		cfg.URL = "https://" + address
		cfg.TLS = &tls.Config{InsecureSkipVerify: true}
	}
	client, err := coder.New(cfg)
	require.NoError(tb, err)
	ptys := make([]*coder.PTY, n)
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := w; i < n; i += 16 {
				isolated := client.Isolated()
				var err error
				if ptys[i], err = isolated.PTY(context.Background(), agent, coder.PTYOptions{}); err != nil {
					tb.Errorf("open terminal %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if tb.Failed() {
		tb.FailNow()
	}
	return ptys
}

// attach puts terminals on a pump, and returns what takes them off again.
func attach(pump *traffic.Pump, ptys []*coder.PTY, start time.Time) (detach func()) {
	streams := make([]*traffic.Stream, len(ptys))
	for i, p := range ptys {
		streams[i] = pump.Attach(p.Stream(), i, start)
	}
	return func() {
		for i, s := range streams {
			s.Stop()
			ptys[i].Close()
		}
		for _, s := range streams {
			s.Close()
		}
	}
}

func terminalPump(tb testing.TB, load traffic.Load, echo bool) *traffic.Pump {
	tb.Helper()
	pump, err := traffic.NewPump(traffic.PumpConfig{
		Load: load, Payload: traffic.PayloadConfig{Seed: 1, CRLF: true},
		Encode: coder.AppendPTYInput, NoEcho: !echo,
	})
	require.NoError(tb, err)
	return pump
}

// BenchmarkTerminalMessage compares the CPU time of a 4 KiB message on 1,000
// terminals, 10 a second each, with the floor: the same bytes over raw
// descriptors from one thread. The two are measured in turns, and the ratio is
// the median over the pairs. The server is another process.
//
//	cpu-ns/msg     CPU time of this process for each message
//	floor-ns/msg   that of the floor
//	x-floor        the ratio
//	allocs/msg     allocations for each message
func BenchmarkTerminalMessage(b *testing.B) {
	const conns, interval, span, pairs = 1000, 100 * time.Millisecond, 2 * time.Second, 5
	for _, echo := range []bool{false, true} {
		b.Run(fmt.Sprintf("echo=%v", echo), func(b *testing.B) {
			address := startSink(b, "plain")
			agent := swallow
			if echo {
				agent = uuid.New()
			}
			path := "/api/v2/workspaceagents/" + agent.String() + "/pty"
			payload, err := traffic.NewPayload(traffic.PayloadConfig{BytesPerTick: 4096, Seed: 1, CRLF: true})
			require.NoError(b, err)
			frames := payload.Encode(coder.AppendPTYInput)
			var ours, floors, ratios, allocs []float64
			for b.Loop() {
				for range pairs {
					f := dialFloor(b, address, path, conns)
					sent, received, cpu := f.run(b, frames, interval, span)
					f.close()
					require.Equal(b, echo, received > 0)
					floor := float64(cpu) / float64(sent)

					pump := terminalPump(b, traffic.Constant(4096, interval), echo)
					ptys := dialTerminals(b, address, false, agent, conns)
					detach := attach(pump, ptys, time.Now())
					time.Sleep(300 * time.Millisecond) // buffers and histograms exist
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					from, begin := pump.Stats().Sent, cpuTime(b)
					time.Sleep(span)
					cpu = cpuTime(b) - begin
					runtime.ReadMemStats(&after)
					st := pump.Stats()
					detach()
					pump.Close()
					messages := float64(st.Sent - from)
					require.InEpsilon(b, float64(conns)*span.Seconds()*10, messages, 0.05)
					require.Zero(b, st.Corrupt+st.Lost)
					ours = append(ours, float64(cpu)/messages)
					floors = append(floors, floor)
					ratios = append(ratios, float64(cpu)/messages/floor)
					allocs = append(allocs, float64(after.Mallocs-before.Mallocs)/messages)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(ours), "cpu-ns/msg")
			b.ReportMetric(median(floors), "floor-ns/msg")
			b.ReportMetric(median(ratios), "x-floor")
			b.ReportMetric(median(allocs), "allocs/msg")
		})
	}
}

// BenchmarkTerminalMemory measures what an open terminal costs the client, with
// 10,000 of them open that have all sent and received: resident memory of this
// process, beside the 10,000 descriptors of the floor.
func BenchmarkTerminalMemory(b *testing.B) {
	for _, secure := range []bool{false, true} {
		b.Run(fmt.Sprintf("tls=%v", secure), func(b *testing.B) {
			const conns = 10_000
			needDescriptors(b, conns+1000)
			address := startSink(b, map[bool]string{false: "plain", true: "tls"}[secure])
			for b.Loop() {
				pump := terminalPump(b, traffic.Constant(4096, 2*time.Second), true)
				before := residentBytes(b)
				ptys := dialTerminals(b, address, secure, uuid.New(), conns)
				detach := attach(pump, ptys, time.Now())
				for pump.Stats().Echoed < 2*conns {
					time.Sleep(100 * time.Millisecond)
				}
				after := residentBytes(b)
				b.ReportMetric(float64(after-before)/conns, "B/terminal")
				detach()
				pump.Close()
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// residentBytes is the resident memory of this process, garbage returned.
func residentBytes(tb testing.TB) int64 {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/status")
	require.NoError(tb, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			require.NoError(tb, err)
			return kb << 10
		}
	}
	tb.Fatal("no VmRSS in /proc/self/status")
	return 0
}

func needDescriptors(b *testing.B, n uint64) {
	var limit syscall.Rlimit
	require.NoError(b, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Cur < n {
		b.Skipf("%d descriptors are allowed, %d are needed: raise them with ulimit -n", limit.Cur, n)
	}
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

func cpuTime(tb testing.TB) time.Duration {
	cpu, err := processCPU()
	if err != nil {
		tb.Fatal(err)
	}
	return cpu
}

// processCPU is the CPU time of this process so far.
func processCPU() (time.Duration, error) {
	var ru syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano()), err
}
