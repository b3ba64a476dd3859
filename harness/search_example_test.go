package harness_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/coderscale/scaletest/harness"
)

// How many people find a seat? The load grows until a threshold breaks; then the
// search closes in, and probes both sides until it is certain of them.
func ExampleFindLimit() {
	const seats = 40
	limit, err := harness.FindLimit(context.Background(), harness.Search{
		Of: "people", From: 10, To: 1000,
		Rest: -1, // nothing has to recover here
		Plan: func(load float64) (harness.Plan, error) {
			return harness.Plan{Scenarios: []harness.Scenario{{
				Name:     "visitors",
				Schedule: harness.AllAtOnce(int(load)),
				Runner: func(user int) (harness.Runner, error) {
					return harness.RunnerFunc(func(context.Context, *harness.Recorder) error {
						if user >= seats {
							return errors.New("all seats are taken")
						}
						return nil
					}), nil
				},
				Thresholds: []harness.Threshold{harness.Rate("errors").Below(0.01)},
			}}}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(limit)
	fmt.Println(limit.Stopped, "after", len(limit.At(limit.Holds)), "probes that held and", len(limit.At(limit.Breaks)), "that broke")
	for _, t := range limit.At(limit.Breaks)[0].Thresholds {
		fmt.Println(t.Scenario, t.Message)
	}
	// Output:
	// between 40 and 42 people, 92 % certain
	// found after 5 probes that held and 5 that broke
	// visitors errors: rate<0.01 is broken: 0.047619
}
