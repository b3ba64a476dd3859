package runners

import (
	"context"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
)

// retryUntil calls connect until it succeeds, and records the time as
// [Reconnect]. When the load ends meanwhile, nobody needs the connection any
// more, and it returns nil.
func retryUntil(ctx context.Context, rec *harness.Recorder, limit time.Duration, connect func(context.Context) error) error {
	start := time.Now()
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := connect(bounded)
		if err == nil || bounded.Err() != nil || coder.IsUnauthorized(err) {
			took := time.Since(start)
			rec.Record(Reconnect, took, took, err)
			return err
		}
		select {
		case <-time.After(wait):
		case <-rec.Done():
			return nil
		case <-bounded.Done():
			took := time.Since(start)
			rec.Record(Reconnect, took, took, err)
			return err
		}
	}
}
