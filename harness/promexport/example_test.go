package promexport_test

import (
	"context"
	"fmt"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/promexport"
)

// A run whose numbers Prometheus reads while it goes on.
func Example() {
	exporter, err := promexport.New(promexport.Config{Name: "nightly"})
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := exporter.Serve("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close(context.Background())

	run, err := harness.Start(context.Background(), harness.Plan{
		OnSnapshot: exporter.Observe, OnPhase: exporter.Phase,
		Scenarios: []harness.Scenario{{
			Name: "people", Schedule: harness.AllAtOnce(3),
			Runner: func(int) (harness.Runner, error) { return person{}, nil },
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	exporter.Finish(run.Wait())
	select { // for the last scrape
	case <-exporter.Scraped():
	case <-time.After(time.Millisecond):
	}
	fmt.Println("done")
	// Output: done
}
