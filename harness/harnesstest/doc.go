// Package harnesstest holds runners to what [harness.Runner], [harness.Setuper]
// and [harness.Cleaner] promise, as testing/fstest does with file systems. It is
// for people who write runners:
//
//	func TestPersonIsARunner(t *testing.T) {
//		harnesstest.TestRunner(t, harnesstest.Subject{
//			New: func(env *harnesstest.Env) (func(user int) (harness.Runner, error), error) {
//				client := env.HTTPClient()
//				return func(user int) (harness.Runner, error) { return &person{client, user}, nil }, nil
//			},
//			Actions: []harness.Action{login},
//		})
//	}
//
// # How it works
//
// Every probe is a small load of the harness with runners of its own. What the
// runner asks of the other side goes through an [Env], which numbers these
// operations: a dial, a write to a connection, a call of [Env.Do]. A first load in
// which nothing goes wrong finds out how many there are. Then it is repeated, and
// each time something else goes wrong at another operation: the connection is
// reset, the answer is lost after the work was done, an HTTP request is answered
// with 500, the other side is gone or says nothing any more, or the run is
// stopped. As soon as the cleanup begins the other side is well again.
//
// # What is checked
//
// Each [Check] is a promise of the contract. After every probe the goroutines that
// the runner has started must be gone, and the connections that it has opened
// through the Env must be closed. Goroutines are told apart by the label that the
// harness gives to those of each user, which the ones that they start inherit. So
// what else the test's process does is in nobody's way.
//
// # What is not
//
// Data races are found by go test -race only, and the suite gives it something to
// find. That a Cleanup can be called twice is not asked for: the harness calls it
// once. Whether the numbers are right nobody knows but the author.
package harnesstest
