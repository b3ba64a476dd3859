package coder_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
)

func TestASessionIsOpenedBeforeWhateverIsAskedFirst(t *testing.T) {
	d := refuse(t, http.StatusTeapot)
	base, err := coder.New(coder.Config{URL: d.URL, Token: "admins", MaxRetries: -1})
	require.NoError(t, err)
	t.Cleanup(base.CloseIdleConnections)
	for what, ask := range waysToAsk(t, d.URL) {
		opened := 0
		c := base.WithSession(func(context.Context) (string, error) { opened++; return "persons", nil })
		require.True(t, c.HasToken(), "it will have one")
		asked := d.during(func() { ask(t.Context(), c); ask(t.Context(), c) })
		require.NotEmpty(t, asked, what)
		needed := 0
		for _, r := range asked {
			if !forEverybody(r) {
				needed = 1
				assert.Equal(t, "persons", r.Header.Get("Coder-Session-Token"), "%s: %s", what, r.URL.Path)
			}
		}
		assert.Equal(t, needed, opened, what)

		refused := base.WithSession(func(context.Context) (string, error) { return "", errors.New("no") })
		for _, r := range d.during(func() { ask(t.Context(), refused) }) {
			assert.True(t, forEverybody(r), "%s: %s is asked without a session", what, r.URL.Path)
		}
	}
}

func TestASessionIsOpenedOnceForAllWhoWaitForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base, server := fakeClient(t, coder.Config{}, answers(says(200, `[]`)))
		var opened atomic.Int64
		c := base.WithSession(func(context.Context) (string, error) {
			opened.Add(1)
			time.Sleep(time.Second)
			return "persons", nil
		})
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { assert.NoError(t, c.Isolated().Get(t.Context(), "/api/v2/experiments", nil)) })
		}
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.ErrorIs(t, c.SignIn(short), context.DeadlineExceeded, "nobody waits longer than they want to")
		all.Wait()
		require.EqualValues(t, 1, opened.Load())
		require.Equal(t, 20, server.count())
		h := http.Header{}
		c.AuthHeader(h)
		require.Equal(t, "persons", h.Get("Coder-Session-Token"))
		require.NotContains(t, printed(c), "persons")
		require.NotContains(t, printed(*c), "persons")

		other := http.Header{}
		c.WithToken("others").AuthHeader(other)
		require.Equal(t, "others", other.Get("Coder-Session-Token"))
	})
}

func TestASessionThatCouldNotBeOpenedIsTriedAgain(t *testing.T) {
	base, server := fakeClient(t, coder.Config{}, answers(says(200, `[]`)))
	refused := errors.New("not now")
	err := refused
	c := base.WithSession(func(context.Context) (string, error) { return "persons", err })
	got := c.Get(t.Context(), "/api/v2/experiments", nil)
	require.ErrorIs(t, got, refused)
	require.Zero(t, server.count(), "nothing is asked without a token")
	h := http.Header{}
	c.AuthHeader(h)
	require.Empty(t, h.Get("Coder-Session-Token"))
	err = nil
	require.NoError(t, c.Get(t.Context(), "/api/v2/experiments", nil))
	require.NoError(t, base.SignIn(t.Context()), "who has a token needs no session")
}
