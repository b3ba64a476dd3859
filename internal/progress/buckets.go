package progress

// Buckets are bounds, in seconds, from 100 µs, an echo on one machine, to ten
// minutes, the build of a workspace.
var Buckets = []float64{
	.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600,
}
