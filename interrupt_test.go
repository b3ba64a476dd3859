//go:build unix && !scaletest

package scaletest_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/harness"
)

// stubborn is a scenario whose user does not end when the load does.
func stubborn(begun func(), run func(ctx context.Context) error) harness.Plan {
	return harness.Plan{GracefulStop: time.Hour, Grace: time.Hour, Scenarios: []harness.Scenario{{
		Name:     "stubborn",
		Schedule: harness.AllAtOnce(1).Hold(time.Hour),
		Runner: func(int) (harness.Runner, error) {
			return harness.RunnerFunc(func(ctx context.Context, _ *harness.Recorder) error {
				begun()
				return run(ctx)
			}), nil
		},
	}}}
}

func TestSecondInterruptSkipsToTheResults(t *testing.T) {
	environment(t)
	var res *harness.Result
	tb := &fakeTB{onOutput: func(line string) {
		if strings.HasPrefix(line, "interrupted: ") {
			interruptSelf(t)
		}
	}}
	attempt(t, tb, func(tb *fakeTB) {
		tiny.Connect(tb)
		plan := stubborn(func() { interruptSelf(t) }, func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		res = scaletest.RunPlan(tb, plan)
	})
	require.NotNil(t, res)
	assert.Equal(t, harness.Interrupted, res.Verdict)
	assert.Contains(t, tb.output.String(), "interrupted again: skipping to the results (again: exit)")
	assert.Equal(t, []string{"interrupted: the run was aborted"}, tb.errors)
}

// TestStubbornJob is what TestThirdInterruptExits interrupts.
func TestStubbornJob(t *testing.T) {
	if os.Getenv("STUBBORN_JOB") == "" {
		t.Skip("it is a child process of TestThirdInterruptExits, which runs it")
	}
	tiny.Connect(t)
	never := make(chan struct{})
	scaletest.RunPlan(t, stubborn(func() { interruptSelf(t) }, func(context.Context) error {
		<-never
		return nil
	}))
}

func TestThirdInterruptExits(t *testing.T) {
	cmd := child(t, []string{"STUBBORN_JOB=1"}, os.Args[0], "-test.v", "-test.run=^TestStubbornJob$", "-test.timeout=0")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	out := follow(stdout)
	out.until(t, "interrupted: ")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	out.until(t, "interrupted again: ")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	said := out.rest()
	_ = cmd.Wait()
	assert.Equal(t, 130, cmd.ProcessState.ExitCode(), said)
	assert.NotContains(t, said, "goroutine ")
}
