// Package runners holds what one simulated person or workspace does to a Coder
// deployment. Each runner is a harness.Runner; a function such as
// [Terminal] makes them for all users of a scenario:
//
//	harness.Scenario{
//		Name:     "terminals",
//		Runner:   runners.Terminal(workspaces, traffic.Constant(4*traffic.KiB, 100*time.Millisecond)),
//		Schedule: harness.AllAtOnce(200).Hold(time.Minute),
//	}
//
// A runner's doc comment says what it does, which metrics it records, and what
// its cleanup removes.
package runners
