package harnesstest

import (
	"context"
	"runtime/debug"
	"runtime/pprof"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func waitHere(release <-chan struct{}) { <-release }

func TestTheGoroutinesOfARunAreFoundByTheLabelThatTheyInherit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		pprof.Do(t.Context(), pprof.Labels(userLabel, "mine/subject/0"), func(context.Context) {
			go func() { go waitHere(release) }()
		})
		pprof.Do(t.Context(), pprof.Labels(userLabel, "mine-too/subject/0"), func(context.Context) { go waitHere(release) })
		synctest.Wait()
		found := goroutines("mine")
		require.Len(t, found, 1)
		require.Equal(t, ", in harnesstest.waitHere", where(found[0]))
		require.Empty(t, goroutines("nobody"))
	})
}

func TestWhereAPanicWasIsSaidWithoutTheMachinery(t *testing.T) {
	defer func() {
		require.NotNil(t, recover())
		at := frames(string(debug.Stack()))
		require.Contains(t, at, ", in harnesstest.fall < harnesstest.TestWhereAPanicWasIsSaidWithoutTheMachinery")
		require.NotContains(t, at, "debug.Stack")
	}()
	fall(nil)
}

func fall(into map[string]int) { into["x"] = 1 }

func TestSettlingEndsWhenItIsTrueOrTheTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		require.True(t, settle(time.Minute, func() bool { return time.Since(begun) > time.Second }))
		require.Less(t, time.Since(begun), 2*time.Second)
		require.False(t, settle(time.Minute, func() bool { return false }))
		require.True(t, settle(0, func() bool { return true }))
	})
}
