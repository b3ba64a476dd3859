// Package bottleneck says what probably held a deployment back in a run, by what
// was seen of its own side meanwhile, with the numbers that speak for it and what to
// change:
//
//	for _, f := range bottleneck.Find(res) {
//		fmt.Printf("%s (%s)\n", f.Title, f.Certainty)
//		for _, e := range f.Evidence {
//			fmt.Println(" ", e)
//		}
//	}
//
// It reads nothing but the result: [harness.Result].Server, whose series are those
// of package coderdmetrics, and what the generator saw of itself. So it does for a
// file of yesterday what it does for a run that has just ended. It is no part of the
// verdict: a deployment that has no CPU left but holds its thresholds has passed, and
// is told what will give way first.
//
// # Rules
//
// What is looked for is a table: a condition is a series, or one in proportion to
// another, that is beyond a limit for a share of the load. All conditions of a rule
// must hold. Numbers that few loads reach without trouble are limits; none is learnt
// from other runs.
//
// A generator that could not keep up blurs all that it has measured, and a server
// without CPU is slow in everything it does. What else is found beside these is a
// step less certain.
package bottleneck
