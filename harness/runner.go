package harness

import "context"

// Runner is what one virtual user does. Run is one iteration; a schedule may
// ask for many, one after the other. Package harnesstest holds runners to what is
// said here.
type Runner interface {
	// Run does the work and records it. It returns when it is done, soon after
	// [Recorder.Done] is closed, and at once when ctx is done. An error, or a
	// panic, makes this iteration a failed one; the others go on. With an error
	// that it returns because ctx was cancelled, by the end of the load or of its
	// user's time, it is neither failed nor succeeded but interrupted.
	Run(ctx context.Context, rec *Recorder) error
}

// Setuper is a [Runner] that gets ready before the load begins: it logs in, or
// opens its connections. What it records is kept apart from the load.
type Setuper interface {
	// Setup is called once. After an error the user does not run. Its context
	// is done when it returns, so that what is to last must not depend on it.
	Setup(ctx context.Context, rec *Recorder) error
}

// Cleaner is a [Runner] that leaves something behind.
type Cleaner interface {
	// Cleanup is called once for each runner that was made, also when Setup
	// failed or Run never began, and also after a cancel. The context has a
	// deadline of its own.
	Cleanup(ctx context.Context) error
}

// RunnerFunc makes a function a [Runner].
type RunnerFunc func(ctx context.Context, rec *Recorder) error

// Run calls f.
func (f RunnerFunc) Run(ctx context.Context, rec *Recorder) error { return f(ctx, rec) }
