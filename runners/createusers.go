package runners

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners/cleanup"
)

// The metrics of [CreateUsersConfig].
var (
	// UserCreate is the creation of a user, roles included.
	UserCreate = harness.NewAction("user_create")
	// UserSession is the opening of a session.
	UserSession = harness.NewAction("user_session")
	// UsersReused counts users who were there before.
	UsersReused = harness.NewCounter("users_reused")
)

// roleTemplateAdmin is the site role that may create and change templates.
const roleTemplateAdmin = "template-admin"

// CreateUsersConfig configures runners that create users: one each.
//
// What one does: it creates the user scaletest-<run>-<n> with an address that
// ends in @scaletest.local and a password that nobody knows, gives it roles,
// and opens a session. Sessions are minted with the client's token where it is
// an owner's, which no login limit slows down; otherwise by password, at no more
// than 60 a minute in the whole process.
//
// Metrics: user_create, user_session; the counter users_reused.
//
// Its cleanup deletes the user, and with them the session. Of a user who was
// there before it ends the session only.
type CreateUsersConfig struct {
	// Client creates them: of a site owner or a user admin.
	Client *coder.Client

	// Organization is theirs. Nil is the default one.
	Organization uuid.UUID

	// Roles are site roles that everybody gets. With any role of their own,
	// [CreateUsersConfig.TemplateAdmins] adds to it.
	Roles []string

	// TemplateAdmins is the share of users, from 0 to 1, who also get the site
	// role template-admin. It is spread evenly: with 0.2 every fifth.
	TemplateAdmins float64

	// Existing are used first: user i is Existing[i] if there is one. They keep
	// their roles. Sessions for them need an owner's token.
	Existing []coder.User

	// NoSession opens no sessions.
	NoSession bool

	// NoCleanup leaves the users and their sessions.
	NoCleanup bool

	// Ledger keeps what is created on disk. Nil keeps nothing.
	Ledger Ledger

	// OnReady is called for each user who is ready, from many goroutines. Their
	// Client is nil with NoSession.
	OnReady func(user int, p Person)
}

// CreateUsers makes runners that create a user each, see [CreateUsersConfig].
// It is CreateUsersConfig{Client: client}.Runner().
func CreateUsers(client *coder.Client) func(user int) (harness.Runner, error) {
	return CreateUsersConfig{Client: client}.Runner()
}

// Validate reports everything that is wrong with the configuration.
func (c CreateUsersConfig) Validate() error {
	var errs []error
	if c.Client == nil {
		errs = append(errs, errors.New("create users: there is no client"))
	}
	if !(c.TemplateAdmins >= 0 && c.TemplateAdmins <= 1) {
		errs = append(errs, fmt.Errorf("create users: the share of template admins is %v, want 0 to 1", c.TemplateAdmins))
	}
	return errors.Join(errs...)
}

// Runner returns what harness.Scenario.Runner takes.
func (c CreateUsersConfig) Runner() func(user int) (harness.Runner, error) {
	err := c.Validate()
	g := c.group()
	return func(user int) (harness.Runner, error) {
		if err != nil {
			return nil, err
		}
		return &createUser{group: g}, nil
	}
}

func (c CreateUsersConfig) group() *userGroup {
	c.Ledger = orNoLedger(c.Ledger)
	return &userGroup{cfg: c, sessions: &sessions{admin: c.Client}}
}

// userGroup is what those who create users share.
type userGroup struct {
	cfg      CreateUsersConfig
	sessions *sessions
	pace     forAll[*rate.Limiter] // of what all of them ask of one path; nil is none
}

// roles are those of a user.
func (g *userGroup) roles(user int) []string {
	roles := slices.Clone(g.cfg.Roles)
	share := g.cfg.TemplateAdmins
	if math.Floor(float64(user+1)*share+1e-9) > math.Floor(float64(user)*share+1e-9) && !slices.Contains(roles, roleTemplateAdmin) {
		roles = append(roles, roleTemplateAdmin)
	}
	return roles
}

// createUser creates users: one at each iteration.
type createUser struct {
	group *userGroup
	mine  []madeUser
}

// madeUser is what must be cleaned up.
type madeUser struct {
	run, name string
	key       string // the ID of a session of somebody who was there before
}

// Run creates a user and opens a session.
func (r *createUser) Run(ctx context.Context, rec *harness.Recorder) error {
	p, err := r.get(ctx, rec)
	if err == nil && r.group.cfg.OnReady != nil {
		r.group.cfg.OnReady(rec.User(), p)
	}
	return err
}

// get returns a person to act as.
func (r *createUser) get(ctx context.Context, rec *harness.Recorder) (Person, error) {
	g := r.group
	if n := rec.User(); n < len(g.cfg.Existing) && rec.Iteration() == 0 {
		rec.Add(UsersReused, 1)
		return r.session(ctx, rec, g.cfg.Existing[n], "")
	}
	pace, _ := g.pace.get(ctx, func(ctx context.Context) (*rate.Limiter, error) {
		return pacePath(ctx, rec, g.cfg.Client, "users are created")
	}) // a 429 is waited for in any case
	if pace != nil {
		if err := pace.Wait(ctx); err != nil {
			return Person{}, fmt.Errorf("wait to create a user below the server's rate limit: %w", err)
		}
	}
	name, password := newName(rec), newPassword()
	if err := g.cfg.Ledger.Intend(ctx, rec.RunID(), KindUser, name); err != nil {
		return Person{}, fmt.Errorf("create user %s: %w", name, err)
	}
	r.mine = append(r.mine, madeUser{run: rec.RunID(), name: name})
	var u coder.User
	err := rec.Do(ctx, UserCreate, func(ctx context.Context) (err error) {
		u, err = r.create(ctx, name, password, g.roles(rec.User()))
		return err
	})
	if u.ID != uuid.Nil {
		g.cfg.Ledger.Made(rec.RunID(), KindUser, name, u.ID.String())
	}
	if err != nil {
		return Person{}, err
	}
	rec.Logf("created user %s", name)
	return r.session(ctx, rec, u, password)
}

func (r *createUser) create(ctx context.Context, name, password string, roles []string) (coder.User, error) {
	c := r.group.cfg.Client
	req := coder.CreateUserRequest{Username: name, Email: name + EmailDomain, Password: password, UserStatus: "active"}
	if r.group.cfg.Organization != uuid.Nil {
		req.OrganizationIDs = []uuid.UUID{r.group.cfg.Organization}
	}
	u, err := c.CreateUser(ctx, req)
	if err != nil {
		if _, lost := errors.AsType[*coder.TransportError](err); !lost || ctx.Err() != nil {
			return u, err
		}
		// The answer was lost. Nobody else makes this name, so if it is there, it is ours.
		if u, lost := c.User(ctx, name); lost == nil {
			return r.withRoles(ctx, u, roles)
		}
		return u, err
	}
	return r.withRoles(ctx, u, roles)
}

// withRoles sets them by a call of their own: older servers ignore them at the
// creation.
func (r *createUser) withRoles(ctx context.Context, u coder.User, roles []string) (coder.User, error) {
	if len(roles) == 0 {
		return u, nil
	}
	changed, err := r.group.cfg.Client.SetUserRoles(ctx, u.ID.String(), roles...)
	if err != nil {
		return u, err
	}
	return changed, nil
}

// session opens one, unless none is wanted.
func (r *createUser) session(ctx context.Context, rec *harness.Recorder, u coder.User, password string) (Person, error) {
	if r.group.cfg.NoSession {
		return Person{User: u}, nil
	}
	var token string
	err := rec.Do(ctx, UserSession, func(ctx context.Context) (err error) {
		token, err = r.group.sessions.mint(ctx, u, password)
		return err
	})
	if err != nil {
		return Person{}, err
	}
	if password == "" {
		// It was there before and stays, but not the session.
		key := coder.KeyID(token)
		r.mine = append(r.mine, madeUser{run: rec.RunID(), name: u.Username, key: key})
		// Its ID is known only now; what must be on disk is that it is there.
		if err := r.group.cfg.Ledger.Intend(ctx, rec.RunID(), KindKey, u.Username+"/"+key); err != nil {
			return Person{}, fmt.Errorf("open a session for %s: %w", u.Username, err)
		}
	}
	return Person{Client: r.group.cfg.Client.WithToken(token), User: u}, nil
}

// Cleanup deletes what Run has created.
func (r *createUser) Cleanup(ctx context.Context) error {
	g := r.group
	if g.cfg.NoCleanup {
		return nil
	}
	var errs []error
	for i := len(r.mine) - 1; i >= 0; i-- {
		m := r.mine[i]
		if m.key != "" {
			if err := cleanup.DeleteKey(ctx, g.cfg.Client, m.name, m.key, cleanup.Options{}); err != nil {
				errs = append(errs, err)
				continue
			}
			g.cfg.Ledger.Gone(m.run, KindKey, m.name+"/"+m.key)
			continue
		}
		// By name: the answer to the creation may have been lost.
		if err := cleanup.DeleteUser(ctx, g.cfg.Client, m.name, cleanup.Options{}); err != nil {
			errs = append(errs, err)
			continue
		}
		g.cfg.Ledger.Gone(m.run, KindUser, m.name)
	}
	r.mine = nil
	return errors.Join(errs...)
}
