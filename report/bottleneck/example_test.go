package bottleneck_test

import (
	"fmt"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report/bottleneck"
)

func ExampleFind() {
	// As it comes of harness.ReadResult, or of a run that has just ended.
	res := &harness.Result{
		Phases: []harness.PhaseMark{{Name: "setup"}, {Name: "load", At: 10}, {Name: "cleanup", At: 40}},
		Server: &harness.ServerResult{Series: []harness.Series{
			{Name: "queue_wait_p95", Unit: "seconds", Points: [][2]float64{{5, 0.1}, {15, 0.2}, {20, 12}, {25, 31}, {30, 44}, {35, 48}}},
			{Name: "jobs_running", Points: [][2]float64{{15, 2}, {20, 3}, {25, 3}, {30, 3}, {35, 3}}},
			{Name: "provisioners", Points: [][2]float64{{15, 3}, {20, 3}, {25, 3}, {30, 3}, {35, 3}}},
		}},
	}
	for _, f := range bottleneck.Find(res) {
		fmt.Printf("%s (%s)\n", f.Title, f.Certainty)
		for _, e := range f.Evidence {
			fmt.Println("-", e)
		}
		fmt.Println("Try:", f.Try[0])
	}
	// Output:
	// Builds wait for a provisioner (strong)
	// - jobs waited 44s for a provisioner at the 95th percentile from 10 s to 25 s of the load (4 of 5 times that somebody looked)
	// - 3 of 3 provisioners of coderd were busy from 10 s to 25 s of the load (4 of 5 times that somebody looked)
	// Try: use more provisioners: CODER_PROVISIONER_DAEMONS, or external ones (coder provisioner start)
}
