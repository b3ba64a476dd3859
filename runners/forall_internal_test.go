package runners

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatIsFoundOutForAllIsFoundOutOnce(t *testing.T) {
	broken := errors.New("it is broken")
	for _, want := range []error{nil, broken} {
		var a forAll[int]
		calls := 0
		for range 3 {
			v, err := a.get(t.Context(), func(context.Context) (int, error) { calls++; return 7, want })
			require.Equal(t, 7, v)
			require.Equal(t, want, err)
		}
		require.Equal(t, 1, calls)
	}
}

func TestNobodyWaitsLongerThanTheirContextForWhatIsFoundOutForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a forAll[int]
		hang := func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		first, cancelFirst := context.WithCancel(t.Context())
		second, cancelSecond := context.WithTimeout(t.Context(), time.Second)
		defer cancelSecond()
		gone := make(chan error, 1)
		go func() {
			_, err := a.get(first, hang)
			gone <- err
		}()
		synctest.Wait()
		_, err := a.get(second, hang)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancelFirst()
		require.ErrorIs(t, <-gone, context.Canceled)
		v, err := a.get(t.Context(), func(context.Context) (int, error) { return 3, nil })
		require.NoError(t, err, "who was interrupted has left it to the next one")
		require.Equal(t, 3, v)
	})
}
