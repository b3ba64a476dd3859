package harness

// PerUserIterations lets each of the users run n iterations, one after the
// other: n·users in all. Quick users are done early. It is k6's
// per-vu-iterations.
//
// After an iteration that failed within 100 ms, the next one of the user starts
// 100 ms after the start of the failed one. Those that a stuck user can't run are
// dropped.
//
//	user │▪▪▪▪
//	     │▪─▪──▪▪
//	     │▪▪▪─▪
//	     └──────── t
func PerUserIterations(n, users int) Turns {
	if n < 1 {
		n = -1 // for Validate; 0 is one iteration
	}
	return Turns{users: users, perUser: n}
}
