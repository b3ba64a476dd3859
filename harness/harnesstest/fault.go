package harnesstest

// fault is what goes wrong at an operation.
type fault int

const (
	faultNone    fault = iota
	faultReset         // it fails, and its connection is reset
	faultLost          // it is done, and its connection is reset instead of an answer
	faultStatus        // it is answered with status 500, if it is an HTTP request
	faultGone          // all connections are reset, and nothing can be reached any more
	faultSilence       // nothing is answered any more
)

// String is the fault within a sentence, before an operation.
func (f fault) String() string {
	return [...]string{
		"nothing went wrong at", "the connection was reset at", "the answer was lost of", "status 500 was the answer to",
		"the other side was gone from", "the other side said nothing any more from",
	}[f]
}

// lasts reports whether it goes on behind its operation.
func (f fault) lasts() bool { return f == faultGone || f == faultSilence }

// script is what goes wrong in a load.
type script struct {
	fault fault
	at    int  // the operation, from 1; 0 is none
	late  bool // at is an operation of the cleanup
	stop  bool // the run is stopped there: when it is answered, or else goes unanswered
	mute  bool // the operation is one that nothing comes back for
}

// begins reports whether it goes wrong at an operation.
func (s script) begins(op operation) bool {
	return s.at == op.number && s.late == (op.phase == inCleanup)
}
