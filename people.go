package scaletest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/runners/cleanup"
)

// sessionsAtATime is how many sessions are opened or ended side by side.
const sessionsAtATime = 20

// People are users of the deployment who may be simulated, each with a session
// of their own: those whose name begins with "scaletest-" or whose address ends
// in "@scaletest.local", cut to CODER_SCALETEST_DASHBOARD_TARGET_USERS. Their
// order is stable: by creation, then by ID. The sessions end with the test.
//
// With CODER_SCALETEST_USE_HOST_LOGIN it is the token's own user alone, whom
// runners share.
//
// It fails the test if there is nobody, if the range goes beyond the end, or if
// the token is not a site owner's, who alone may open sessions for others.
func (t *Target) People(tb TB) []runners.Person {
	tb.Helper()
	if t.cfg.HostLogin {
		return []runners.Person{t.Self()}
	}
	users, err := t.users(tb.Context())
	if err != nil {
		tb.Fatalf("%s", oneLine(err))
		return nil
	}
	people, err := t.openSessions(tb, users)
	if err != nil {
		tb.Fatalf("%s", oneLine(err))
		return nil
	}
	return people
}

// Self is the token's own user.
func (t *Target) Self() runners.Person {
	return runners.Person{Client: t.client, User: t.preflight.User}
}

// users are those who may be simulated.
func (t *Target) users(ctx context.Context) ([]coder.User, error) {
	all, err := t.client.AllUsers(ctx, coder.UsersQuery{})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(u coder.User) bool {
		return !strings.HasPrefix(u.Username, namePrefix) && !strings.HasSuffix(u.Email, runners.EmailDomain) || u.Status == "suspended"
	})
	sortUsers(all)
	if len(all) == 0 && t.embedded != nil {
		return nil, errors.New("the embedded deployment has no users: start it with scaletest.Embedded{Server: codertest.Config{Users: 50}}.Connect, or act as its owner with target.Self()")
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no users whose name begins with %s: create some with 'CODER_SCALETEST_NO_CLEANUP=true go test -tags scaletest -run TestCreateUsers .', or set CODER_SCALETEST_USE_HOST_LOGIN=true to act as the token's own user", t.Describe(), namePrefix)
	}
	r := t.cfg.Dashboard.Users
	cut, err := runners.Cut(all, r)
	if err != nil {
		return nil, fmt.Errorf("CODER_SCALETEST_DASHBOARD_TARGET_USERS is %v: %w users", r, err)
	}
	if len(cut) == 0 {
		return nil, fmt.Errorf("CODER_SCALETEST_DASHBOARD_TARGET_USERS is %v, which is none of the %d users", r, len(all))
	}
	if !t.preflight.Owner {
		return nil, fmt.Errorf("the token of %s may not open sessions for others: use the token of a site owner, or set CODER_SCALETEST_USE_HOST_LOGIN=true", t.preflight.User.Username)
	}
	ids := make([]string, len(cut))
	for i, u := range cut {
		ids[i] = t.identify(u.ID, u.Username)
	}
	t.sharded.deal(ids)
	return cut, nil
}

// sortUsers brings them into their stable order.
func sortUsers(all []coder.User) {
	slices.SortFunc(all, func(a, b coder.User) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), slices.Compare(a.ID[:], b.ID[:]))
	})
}

// openSessions opens a session for each user, and ends them with the test.
func (t *Target) openSessions(tb TB, users []coder.User) ([]runners.Person, error) {
	tb.Helper()
	ledger, run := t.Ledger(tb), harness.NewRunID()
	keys := make([]string, len(users))
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), or(t.cfg.CleanupTimeout, noLimit))
		defer cancel()
		errs := make([]error, len(users))
		inParallel(len(users), func(i int) {
			if keys[i] == "" {
				return
			}
			name := users[i].Username
			if errs[i] = cleanup.DeleteKey(ctx, t.client, name, keys[i], cleanup.Options{}); errs[i] == nil {
				ledger.Gone(run, runners.KindKey, name+"/"+keys[i])
			}
		})
		if err := errors.Join(errs...); err != nil {
			tb.Logf("sessions that could not be ended end by themselves after 24 hours: %s", oneLine(err))
		}
	})
	ctx, cancel := context.WithTimeout(tb.Context(), 10*time.Minute)
	defer cancel()
	people, errs := make([]runners.Person, len(users)), make([]error, len(users))
	inParallel(len(users), func(i int) {
		token, err := t.client.CreateSessionKey(ctx, users[i].ID.String())
		if err != nil {
			errs[i] = err
			cancel() // the others would fail as well, and later
			return
		}
		keys[i] = coder.KeyID(token)
		if errs[i] = ledger.Intend(ctx, run, runners.KindKey, users[i].Username+"/"+keys[i]); errs[i] != nil {
			cancel()
			return
		}
		people[i] = runners.Person{Client: t.client.WithToken(token), User: users[i]}
	})
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return nil, err
		}
	}
	return people, ctx.Err()
}

// inParallel calls f for 0 to n-1, some at a time.
func inParallel(n int, f func(i int)) {
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(n, sessionsAtATime) {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
