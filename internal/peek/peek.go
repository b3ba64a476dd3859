// Package peek lets package harnesstest see what a recorder has so far, which is
// nobody else's business: what a load has recorded is in its result.
package peek

// Recorded returns how often each action and counter was recorded by the users of
// a scenario, up to now, in the part of the run that they are in. What their
// sources have is not in it. The argument is a *harness.Recorder. Package harness
// sets it.
var Recorded func(recorder any) map[string]int64
