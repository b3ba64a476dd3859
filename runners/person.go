package runners

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"github.com/coderscale/scaletest/coder"
)

// Person is a user of the deployment with a session.
type Person struct {
	// Client carries the person's own token, or gets it when the person is needed
	// ([coder.Client.WithSession]). Runners make isolated clients from it, so that
	// each simulated person has connections of their own.
	Client *coder.Client

	// User is who it is.
	User coder.User
}

// Validate reports what is missing.
func (p Person) Validate() error {
	var errs []error
	if p.Client == nil {
		errs = append(errs, errors.New("there is no client"))
	}
	if p.User.ID == uuid.Nil {
		errs = append(errs, errors.New("there is no user"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("person %s: %w", p.User.Username, err)
	}
	return nil
}

// pickPerson returns the person of a user; there must be one for each.
func pickPerson(people []Person, user int) (Person, error) {
	if len(people) == 0 {
		return Person{}, errors.New("there are no people")
	}
	if user >= len(people) {
		return Person{}, fmt.Errorf("there are only %d people: give the schedule fewer users, or set Share to let users share a person", len(people))
	}
	return people[user], people[user].Validate()
}

// loginLimit is the most logins that every server takes from one address in a
// minute. It can't be configured there, and on servers before 2.32 not even an
// owner can bypass it.
const loginLimit = 60

// logins paces the logins of this process, which is one address: at most 60 in
// any minute, the burst included.
var logins = rate.NewLimiter(rate.Every(time.Minute/(loginLimit-5)), 5)

// sessions opens sessions for people.
type sessions struct {
	admin *coder.Client

	mu      sync.Mutex
	refused error // why the admin may not mint sessions
}

// mint opens a session: by the admin where the token is an owner's, which is
// under no login limit, or else by password.
func (s *sessions) mint(ctx context.Context, u coder.User, password string) (string, error) {
	s.mu.Lock()
	refused := s.refused
	s.mu.Unlock()
	if refused == nil {
		token, err := s.admin.CreateSessionKey(ctx, u.ID.String())
		if err == nil || !coder.IsForbidden(err) && !coder.IsNotFound(err) {
			return token, err
		}
		refused = err
	}
	if password == "" {
		return "", fmt.Errorf("open a session for %s: only a site owner can do that for somebody whose password is not known: %w", u.Username, refused)
	}
	s.mu.Lock()
	s.refused = refused
	s.mu.Unlock()
	if err := logins.Wait(ctx); err != nil {
		return "", fmt.Errorf("wait to log in %s (at most %d logins a minute from one address): %w", u.Username, loginLimit, err)
	}
	return s.admin.Login(ctx, u.Email, password)
}

// newPassword is one that nobody can guess and every server takes: at most 64
// characters, with more than 52 bits of entropy.
func newPassword() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:]) + "aA1!"
}
