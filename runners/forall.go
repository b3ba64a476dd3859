package runners

import (
	"context"
	"sync"
)

// forAll is something that the runners of a scenario find out once for all of
// them. Whoever waits for another one to find out does so no longer than its own
// context lasts, and whoever is interrupted leaves it to the next one.
type forAll[T any] struct {
	once  sync.Once
	turn  chan struct{} // held by who finds out
	known bool
	value T
	err   error
}

// get returns what f finds out, or has found out before.
func (a *forAll[T]) get(ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	a.once.Do(func() { a.turn = make(chan struct{}, 1) })
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
	if a.known {
		return a.value, a.err
	}
	value, err := f(ctx)
	if err != nil && ctx.Err() != nil {
		return value, err
	}
	a.known, a.value, a.err = true, value, err
	return value, err
}
