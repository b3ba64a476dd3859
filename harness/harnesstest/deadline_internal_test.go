package harnesstest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestADeadlinePassesOnceItIsThereUnlessItWasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeadline()
		require.False(t, isClosed(d.passed()), "there is none")
		d.set(time.Now().Add(time.Second))
		first := d.passed()
		d.set(time.Now().Add(time.Hour))
		time.Sleep(2 * time.Second)
		require.False(t, isClosed(first), "it was put off")
		d.set(time.Now())
		require.True(t, isClosed(d.passed()))
		d.set(time.Time{})
		require.False(t, isClosed(d.passed()))
		d.set(time.Now().Add(time.Second))
		<-d.passed()
	})
}
