package scaletest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/runners/cleanup"
)

// sessionsAtATime is how many sessions of a test are opened or ended side by side.
const sessionsAtATime = 20

// People are users of the deployment who may be simulated, each with a session
// of their own: those whose name begins with "scaletest-" or whose address ends
// in "@scaletest.local", cut to CODER_SCALETEST_DASHBOARD_TARGET_USERS. Their
// order is stable: by creation, then by ID.
//
// A session is opened when its person is first needed (see [coder.Client.SignIn]):
// there is none for who does not come, such as those of another shard. It ends with
// the test.
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
	return t.sessions(tb, users)
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

// sessions are people with a session each, which is opened when the person is first
// needed and ends with the test. A user without ID is known by name alone.
func (t *Target) sessions(tb TB, users []coder.User) []runners.Person {
	tb.Helper()
	o := &openedSessions{
		target: t, ledger: t.Ledger(tb), run: harness.NewRunID(),
		atATime: make(chan struct{}, sessionsAtATime), keys: map[string]bool{},
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), or(t.cfg.CleanupTimeout, noLimit))
		defer cancel()
		if err := o.end(ctx); err != nil {
			tb.Logf("sessions that could not be ended end by themselves after 24 hours: %s", oneLine(err))
		}
	})
	people := make([]runners.Person, len(users))
	for i, u := range users {
		people[i] = runners.Person{User: u, Client: t.client.WithSession(func(ctx context.Context) (string, error) {
			return o.open(ctx, u)
		})}
	}
	return people
}

// openedSessions are those that have been opened for people.
type openedSessions struct {
	target  *Target
	ledger  runners.Ledger
	run     string
	atATime chan struct{}

	mu   sync.Mutex
	keys map[string]bool // "user/key" of each
	over bool            // the test has ended
}

var errTestOver = errors.New("the test for which sessions were opened has ended")

func (o *openedSessions) open(ctx context.Context, u coder.User) (string, error) {
	select {
	case o.atATime <- struct{}{}:
		defer func() { <-o.atATime }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	o.mu.Lock()
	over := o.over
	o.mu.Unlock()
	if over {
		return "", errTestOver
	}
	who := u.Username
	if u.ID != uuid.Nil {
		who = u.ID.String()
	}
	token, err := o.target.client.CreateSessionKey(ctx, who)
	if err != nil {
		return "", err
	}
	name := u.Username + "/" + coder.KeyID(token)
	o.mu.Lock()
	o.keys[name] = true
	o.mu.Unlock()
	return token, o.ledger.Intend(ctx, o.run, runners.KindKey, name)
}

func (o *openedSessions) end(ctx context.Context) error {
	o.mu.Lock()
	o.over = true
	names := sortedKeys(o.keys)
	o.mu.Unlock()
	errs := make([]error, len(names))
	inParallel(len(names), func(i int) {
		user, key, _ := strings.Cut(names[i], "/")
		if errs[i] = cleanup.DeleteKey(ctx, o.target.client, user, key, cleanup.Options{}); errs[i] == nil {
			o.ledger.Gone(o.run, runners.KindKey, names[i])
		}
	})
	return errors.Join(errs...)
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
