package harnesstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// besideLoads are as many as go on side by side.
const besideLoads = 2

// tryBeside makes loads with many users, side by side.
func (s *suite) tryBeside(ctx context.Context) error {
	var wg sync.WaitGroup
	outcomes, errs := make([]*outcome, besideLoads), make([]error, besideLoads)
	at := fmt.Sprintf("nothing went wrong in %d loads of %s at once", besideLoads, number(s.Users, "user", "users"))
	for i := range besideLoads {
		wg.Go(func() {
			outcomes[i], errs[i] = s.probe(ctx, probe{clean: true, users: s.Users, check: Beside, at: at})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, o := range outcomes {
		if o.stuck() != "" {
			continue
		}
		if failed := s.failed(o); failed != "" {
			s.findFailed(o, Beside, failed)
			continue
		}
		all := s.actions(o)
		for _, a := range s.Actions {
			if n := all[a.String()].count; n < uint64(s.Users) {
				s.find(o, Beside, fmt.Sprintf("the action %s was recorded only %d times", a, n), wantRecord)
			}
		}
	}
	return nil
}
