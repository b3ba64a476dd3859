package harness_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestResultSaysWhatTheGeneratorWas(t *testing.T) {
	g := run(t, planOf(harness.AllAtOnce(1), fake{})).Generator
	require.Equal(t, runtime.Version(), g.Go)
	require.Equal(t, runtime.GOOS, g.OS)
	require.Equal(t, runtime.GOARCH, g.Arch)
	require.Equal(t, runtime.NumCPU(), g.CPUs)
	require.Equal(t, runtime.GOMAXPROCS(0), g.GOMAXPROCS)
	require.GreaterOrEqual(t, g.CPUSeconds, 0.0)
	require.GreaterOrEqual(t, g.LoadStart, 0.0)
}

func TestTheGeneratorWatchesItselfWhileTheLoadIsOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res := run(t, planOf(harness.AllAtOnce(50).Hold(time.Minute), takes(time.Second)))
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		w := res.Generator.Watch
		within(t, 60, w.Seconds, 0.001, "as long as the load")
		require.EqualValues(t, 300, w.Wake.Count, "five times a second")
		require.Zero(t, w.LateWakes, "fake time is never late")
		require.Len(t, w.Timeline, 60)
		require.Positive(t, w.GoroutinesPeak) // fake time is over before it is looked at again
		require.Positive(t, w.HeapPeak)
		require.Positive(t, w.MemoryPeak)
		require.Positive(t, w.Scheduling.Count)
		if runtime.GOOS == "linux" {
			require.Positive(t, w.DescriptorsPeak)
			require.Positive(t, w.DescriptorLimit)
		}
		for i, s := range w.Timeline {
			within(t, float64(i+1), s.At, 0.001, "second")
			require.Positive(t, s.Goroutines)
		}
	})
}

func TestMeasurementsAfterTheEndAreCountedAndNotMixedIn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		p := planOf(harness.AllAtOnce(1).Hold(time.Second), fake{
			run: func(_ context.Context, rec *harness.Recorder) error {
				<-release // it ignores its end
				rec.Record(work, 1, 1, nil)
				return nil
			},
			cleanup: func(context.Context) error {
				close(release)
				time.Sleep(time.Second)
				return nil
			},
		})
		p.GracefulStop = time.Second
		res := run(t, p)
		require.EqualValues(t, 1, res.Generator.Watch.SamplesDropped)
		require.Zero(t, res.Scenarios[0].Actions["work"].Count)
		require.Equal(t, harness.Invalid, res.Verdict, "all of its numbers are missing: %v", res.Reasons)
	})
}

func TestASnapshotThatIsSlowIsCountedAsMissed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(1).Hold(20*time.Second), takes(time.Second))
		first := true
		p.OnSnapshot = func(harness.Snapshot) {
			if first {
				first = false
				time.Sleep(4500 * time.Millisecond)
			}
		}
		res := run(t, p)
		require.EqualValues(t, 4, res.Generator.Watch.SnapshotsMissed)
	})
}

// childEnv makes the test binary be a generator in trouble, in a process of its
// own.
const childEnv = "HARNESS_TEST_CHILD"

// troubles are what can be wrong with a generator.
var troubles = map[string]func(){
	"nothing": func() {},
	// More work than a core can do.
	"hogs": func() {
		runtime.GOMAXPROCS(1)
		for range 60 {
			go func() {
				for n := 0; ; n++ {
					_ = n
				}
			}()
		}
	},
	"descriptors": func() {
		limit := syscall.Rlimit{Cur: 40, Max: 40}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	},
}

// runChild is a load of two seconds on a server of its own.
func runChild() {
	trouble := troubles[os.Getenv(childEnv)]
	if trouble == nil {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	trouble()
	p := planOf(harness.AllAtOnce(100).Hold(2*time.Second), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
		err := rec.Do(ctx, work, func(ctx context.Context) error {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
			if err != nil {
				return err
			}
			defer conn.Close()
			return sleep(ctx, 100*time.Millisecond)
		})
		return err
	}))
	p.OnPhase = func(phase string) {
		if phase == "load" {
			fmt.Println("ready")
		}
	}
	r, err := harness.Start(context.Background(), p)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	res := r.Wait()
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{"verdict": res.Verdict, "reasons": res.Reasons, "watch": res.Generator.Watch})
	os.Exit(0)
}

// troubled runs a generator in trouble, and does something to it when it runs.
func troubled(t *testing.T, trouble string, meanwhile func(p *os.Process)) (verdict harness.Verdict, reasons string, watch harness.SelfWatch) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+trouble)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line := make([]byte, len("ready\n"))
	_, err = out.Read(line)
	require.NoError(t, err)
	meanwhile(cmd.Process)
	var got struct {
		Verdict harness.Verdict
		Reasons []string
		Watch   harness.SelfWatch
	}
	require.NoError(t, json.NewDecoder(out).Decode(&got))
	require.NoError(t, cmd.Wait())
	return got.Verdict, strings.Join(got.Reasons, "; "), got.Watch
}

func TestAGeneratorThatStoodStillIsInvalid(t *testing.T) {
	verdict, reasons, watch := troubled(t, "nothing", func(p *os.Process) {
		require.NoError(t, p.Signal(syscall.SIGSTOP))
		time.Sleep(time.Second) // as long as it is to stand still, in real time
		require.NoError(t, p.Signal(syscall.SIGCONT))
	})
	require.Equal(t, harness.Invalid, verdict, reasons)
	require.Contains(t, reasons, "this process was woken more than 100ms late")
	require.GreaterOrEqual(t, watch.LateWakes, 4, "once for each wake-up that it slept through")
	require.GreaterOrEqual(t, watch.Wake.Max, 0.75)
}

func TestAGeneratorWithoutCoresToSpareIsInvalid(t *testing.T) {
	verdict, reasons, watch := troubled(t, "hogs", func(*os.Process) {})
	require.Equal(t, harness.Invalid, verdict, reasons)
	require.Contains(t, reasons, "the machine is too busy")
	require.Greater(t, watch.Scheduling.P99, 0.1, "goroutines waited for the core")
	require.Contains(t, reasons, "waited more than 100ms for a core")
}

func TestAGeneratorWithoutDescriptorsIsInvalid(t *testing.T) {
	verdict, reasons, watch := troubled(t, "descriptors", func(*os.Process) {})
	require.Equal(t, harness.Invalid, verdict, reasons)
	require.Contains(t, reasons, "for want of descriptors")
	require.Contains(t, reasons, "40 allowed")
	require.Positive(t, watch.OwnErrors)
}

func TestAGeneratorWithNothingWrongIsInvalidOnlyIfItWasLate(t *testing.T) {
	verdict, reasons, watch := troubled(t, "nothing", func(*os.Process) {})
	if watch.LateWakes < 2 && !strings.Contains(reasons, "99th percentile") { // else this machine is busy now
		require.Equal(t, harness.Pass, verdict, reasons)
	}
	require.Zero(t, watch.OwnErrors)
	require.Zero(t, watch.SamplesDropped)
}

func TestWhatThisMachineLacksCountsWhereItBelongs(t *testing.T) {
	lacks := fmt.Errorf("dial: %w", os.NewSyscallError("socket", syscall.EMFILE))
	began := func() func() bool { // whether the warm-up of a load is on
		start := time.Now()
		return func() bool { return time.Since(start) < 5*time.Second }
	}
	bubble(t, func(t *testing.T) {
		warm := began()
		p := planOf(harness.AllAtOnce(10).Hold(20*time.Second), fake{run: func(ctx context.Context, rec *harness.Recorder) error {
			return rec.Do(ctx, work, func(ctx context.Context) error {
				_ = sleep(ctx, 500*time.Millisecond)
				if warm() {
					return lacks
				}
				return nil
			})
		}}, harness.Rate("errors").AtMost(0))
		p.Scenarios[0].WarmUp = 10 * time.Second
		res := run(t, p)
		require.Equal(t, harness.Pass, res.Verdict, "the warm-up does not count: %v", res.Reasons)
		require.Zero(t, res.Generator.Watch.OwnErrors)
	})
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(10), fake{setup: func(_ context.Context, rec *harness.Recorder) error {
			if rec.User() == 3 {
				return lacks
			}
			return nil
		}})
		res := run(t, p)
		require.Equal(t, harness.Invalid, res.Verdict, res.Reasons)
		require.Contains(t, res.Reasons[0], "1 of 10 users did not get ready for want of descriptors")
		require.EqualValues(t, 1, res.Generator.Watch.OwnErrors)
	})
}
