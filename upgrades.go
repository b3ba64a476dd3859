package scaletest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
)

// passesUpgrades watches one workspace for an instant. That changes nothing,
// and says in one sentence what each of a thousand users would run into: a
// proxy that lets plain HTTP through and no WebSockets.
func (t *Target) passesUpgrades(ctx context.Context, workspace uuid.UUID) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for _, err := range t.client.WatchWorkspace(ctx, workspace) {
		if err == nil || ctx.Err() != nil {
			return nil // a slow answer is the load's own business
		}
		if e, ok := errors.AsType[*coder.Error](err); ok && e.FromCoder {
			return nil // Coder does not let this user watch, but it was asked
		}
		return fmt.Errorf("%s can't be tested: something in front of it lets no WebSockets through, which terminals need: %s", t.Describe(), oneLine(err))
	}
	return nil
}
