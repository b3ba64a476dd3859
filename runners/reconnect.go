package runners

import (
	"context"
	"errors"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
)

// errAway is a connection that was gone when the load ended.
var errAway = errors.New("the connection was not back when the load ended")

// retryUntil calls connect until it succeeds, and records the time as
// [Reconnect]. When the load ends meanwhile, nobody needs the connection any
// more, and it returns nil; but if an attempt had failed before, that one is
// recorded as failed, or a deployment that is gone at the end would look fine.
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
			took := time.Since(start)
			rec.Record(Reconnect, took, took, errAway)
			rec.Logf("%v: %v", errAway, err)
			return nil
		case <-bounded.Done():
			took := time.Since(start)
			rec.Record(Reconnect, took, took, err)
			return err
		}
	}
}
