package cleanup

import (
	"context"
	"errors"
	"fmt"

	"github.com/coderscale/scaletest/coder"
)

// ErrOwnsWorkspaces is why a user is left: the workspaces that they own are not
// ours to delete.
var ErrOwnsWorkspaces = errors.New("the user still owns workspaces, delete those first")

// DeleteUser deletes a user, given by ID or name. One who is gone already is no
// error, one who still owns workspaces is [ErrOwnsWorkspaces]. Other failures
// are tried again.
func DeleteUser(ctx context.Context, c *coder.Client, user string, o Options) error {
	o = o.withDefaults()
	var last error
	for attempt := range o.Attempts {
		if err := o.pauseBefore(ctx, attempt); err != nil {
			return orLast(last, err)
		}
		err := c.DeleteUser(ctx, user)
		switch {
		case err == nil, isGone(err):
			return nil
		case coder.OwnsWorkspaces(err):
			return fmt.Errorf("%w: %w", ErrOwnsWorkspaces, err)
		case final(err), coder.IsInvalid(err):
			return err
		case ctx.Err() != nil:
			return orLast(last, err)
		}
		last = err
		o.Logf("user %s: attempt %d of %d: %v", user, attempt+1, o.Attempts, err)
	}
	return last
}

// DeleteKey deletes a session or token of a user, by its ID. One that is gone
// already is no error, nor is one whose user is gone.
func DeleteKey(ctx context.Context, c *coder.Client, user, id string, o Options) error {
	o = o.withDefaults()
	var last error
	for attempt := range o.Attempts {
		if err := o.pauseBefore(ctx, attempt); err != nil {
			return orLast(last, err)
		}
		err := c.DeleteKey(ctx, user, id)
		switch {
		case err == nil, isGone(err):
			return nil
		case final(err), coder.IsInvalid(err):
			return err
		case ctx.Err() != nil:
			return orLast(last, err)
		}
		last = err
		o.Logf("key %s of %s: attempt %d of %d: %v", id, user, attempt+1, o.Attempts, err)
	}
	return last
}
