package scaletest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/scenario"
)

// mayCreate refuses a scenario file that creates in shards that do not meet: none
// would know of the workspaces of the others.
func (t *Target) mayCreate(c *scenario.Create) error {
	if c == nil || !t.cfg.Sharding.many() || t.sharded.collector != nil {
		return nil
	}
	return fmt.Errorf("the file creates workspaces, and this is %s, which has nowhere to meet the others when they have created theirs: set %sCOLLECTOR, or create them before, by TestCreateWorkspaces with %sNO_CLEANUP=true",
		t.cfg.Sharding, prefix, prefix)
}

// meetOthers waits until all shards that are still there have come.
func (t *Target) meetOthers(ctx context.Context, where string) error {
	if !t.cfg.Sharding.many() || t.sharded.collector == nil {
		return nil
	}
	_, err := t.sharded.collector.Meet(ctx, where, "", true)
	return err
}

// ofAllShards are the workspaces, and if they are wanted their owners, that all
// shards of the run have created.
func (t *Target) ofAllShards(tb TB, people bool, r *scenario.Resources) {
	tb.Helper()
	if err := t.meetOthers(tb.Context(), tb.Name()+" created"); err != nil {
		tb.Fatalf("%s", oneLine(err))
		return
	}
	names := namePrefix + t.cfg.Sharding.RunID + "-"
	r.Workspaces = t.WorkspacesWhere(tb, Filter{Name: names})
	r.AnyState = r.Workspaces
	switch {
	case !people:
	case t.cfg.HostLogin:
		r.People = t.People(tb)
	default:
		users, err := t.client.AllUsers(tb.Context(), coder.UsersQuery{})
		if err == nil {
			users = slices.DeleteFunc(users, func(u coder.User) bool { return !strings.HasPrefix(u.Username, names) })
			sortUsers(users)
			r.People = t.sessions(tb, users)
		}
		if err != nil {
			tb.Fatalf("%s", oneLine(errors.Join(errors.New("act as those who were created"), err)))
		}
	}
}
