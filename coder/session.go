package coder

import (
	"context"
	"sync/atomic"
)

// session is a token that is got when it is first needed. All clients that were
// made from the one of [Client.WithSession] have it in common.
type session struct {
	open  func(context.Context) (string, error)
	turn  chan struct{} // held by who opens it
	token atomic.Pointer[secret]
}

// WithSession returns a client whose token is not there yet: open gets it before
// the first call, once for this client and all that are made from it. An error of
// open is that of the call, and the next call tries again. It is for many people
// of whom it is not known yet who will come.
//
// [Client.AuthHeader] can't wait, and has no token before the first call: see
// [Client.SignIn].
func (c *Client) WithSession(open func(ctx context.Context) (token string, err error)) *Client {
	clone := *c
	clone.token = secret{}
	clone.session = &session{open: open, turn: make(chan struct{}, 1)}
	return &clone
}

// SignIn has the token of a client of [Client.WithSession] got, unless it is
// there. A simulated person does so when it is set up, so that it is no part of
// what is measured. With other clients nothing happens.
func (c *Client) SignIn(ctx context.Context) error {
	s := c.session
	if s == nil || s.token.Load() != nil {
		return nil
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.token.Load() != nil { // another one was faster
		return nil
	}
	token, err := s.open(ctx)
	if err != nil {
		return err
	}
	t := newSecret(token)
	s.token.Store(&t)
	return nil
}

// reveal is the token, or nothing as long as there is none.
func (c *Client) reveal() string {
	if c.session == nil {
		return c.token.reveal()
	}
	if t := c.session.token.Load(); t != nil {
		return t.reveal()
	}
	return ""
}
