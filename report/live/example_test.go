package live_test

import (
	"context"
	"fmt"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report/live"
)

func Example() {
	var run *harness.Run
	begun := make(chan struct{})
	page, err := live.Listen("127.0.0.1:0", live.Config{Stop: func() { <-begun; run.Stop() }})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Somebody opens page.URL() in a browser.
	run, err = harness.Start(context.Background(), harness.Plan{Stream: page, Scenarios: []harness.Scenario{{
		Name: "nothing", Schedule: harness.AllAtOnce(1),
		Runner: func(int) (harness.Runner, error) {
			return harness.RunnerFunc(func(context.Context, *harness.Recorder) error { return nil }), nil
		},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	close(begun)
	fmt.Println(run.Wait().Verdict)
	// Whoever has it open gets the report, within five seconds.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := page.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output: pass
}
