// Package harness runs load tests and says what came of them. It knows load
// and nothing of Coder: what a simulated person does is a [Runner] of yours.
//
// A [Plan] has scenarios. A [Scenario] has a name, a way to make runners, a
// [Schedule] that says when each iteration is meant to start, and thresholds.
// [Start] sets it going:
//
//	run, err := harness.Start(ctx, harness.Plan{Scenarios: []harness.Scenario{{
//		Name:     "login",
//		Runner:   func(user int) (harness.Runner, error) { return person{user}, nil },
//		Schedule: harness.ConstantArrivals(20, time.Minute, 100),
//		Thresholds: []harness.Threshold{
//			harness.P99("login").Below(250 * time.Millisecond),
//			harness.Rate("errors").Below(0.01),
//		},
//	}}})
//	...
//	result := run.Wait()
//
// The package takes no testing.TB, reads no environment, traps no signal and
// prints nothing.
//
// # Time
//
// Every duration is measured twice. Response time counts from the instant at
// which something was meant to start, which is what a person would have felt;
// service time counts from when it did start. Leaving the first one out is
// coordinated omission: a server that stands still for a second would be
// charged with one slow request instead of all that should have come.
//
// The difference between meant and actual start is the lag. Where it is the
// generator's own fault and large, the verdict is [Invalid]: the numbers say
// nothing about the deployment.
//
// # Life of a run
//
// Runners are made for all users and asked to get ready ([Setuper], not
// measured). Then the schedules run side by side. Runners that must all be ready
// at some later point meet at a [Barrier]. At the end of a schedule, or
// at the first [Run.Stop], no iteration starts any more, [Recorder.Done] is
// closed, and running iterations have the graceful-stop time; then their
// context is cancelled, and one that ignores even that is abandoned and
// reported as stuck, with its stack. Every runner that has a [Cleaner] is
// cleaned up, whatever happened, with a deadline of its own.
//
// # Search
//
// [FindLimit] raises a load until a threshold breaks, closes in on the highest
// that holds, and says how certain it is of it.
//
// # Numbers
//
// Metrics cost the same for ten users and for ten thousand: an [Action] has one
// pair of histograms for each core of the machine and scenario, never one for
// each user. Percentiles come from the merged histograms, never from averages.
// A user costs less than 3 KiB of heap, and the stacks of two goroutines from its
// first iteration to its last, besides what its runner and the last 64 KiB of its
// log take. The timeline grows by one record for each second and scenario.
//
// A [Disruption] does something to what is tested in mid-load, and the result says
// what its users noticed.
//
// The warm-up and the cool-down of a [Scenario] are kept apart: they are in the
// timeline and in [Part] of the result, and decide nothing.
//
// An error is counted once: a failed action usually makes its iteration fail as
// well, and a person who reads "errors" means one of the two. What fails only
// because the run ends is not an error.
package harness
