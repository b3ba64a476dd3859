package traffic_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/coderscale/scaletest/traffic"
)

func newBucket(t testing.TB, perSecond float64, burst int) *traffic.Bucket {
	t.Helper()
	b, err := traffic.NewBucket(perSecond, burst)
	require.NoError(t, err)
	return b
}

func TestBucketRefusesNonsense(t *testing.T) {
	_, err := traffic.NewBucket(-1, 0)
	require.ErrorContains(t, err, "rate of the bucket is -1")
	require.ErrorContains(t, err, "burst of the bucket is 0")
	_, err = traffic.NewBucket(0, 1)
	require.ErrorContains(t, err, "nobody would ever get a token")
	_, err = traffic.NewBucket(math.NaN(), 1)
	require.Error(t, err)
}

func TestBucketHoldsItsContractAsTheLimiterDoes(t *testing.T) {
	// The same calls at the same instants, to both.
	for _, tc := range []struct {
		rate  float64
		burst int
		gaps  []time.Duration
	}{
		{10, 1, []time.Duration{0, 0, 50, 50, 100, 1000, 0, 0, 99, 1}},
		{10, 5, []time.Duration{0, 0, 0, 0, 0, 0, 100, 0, 250, 0, 0, 0, 5000, 0, 0, 0, 0, 0, 0}},
		{1000, 20, []time.Duration{0, 1, 1, 30, 0, 0, 2}},
	} {
		synctest.Test(t, func(t *testing.T) {
			ours := newBucket(t, tc.rate, tc.burst)
			theirs := rate.NewLimiter(rate.Limit(tc.rate), tc.burst)
			for i, gap := range tc.gaps {
				time.Sleep(gap * time.Millisecond)
				require.Equal(t, theirs.Allow(), ours.Allow(), "rate %v burst %d call %d", tc.rate, tc.burst, i)
			}
		})
	}
}

func TestBucketWaitersAreServedAtTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, 100, 1)
		start := time.Now()
		for i := range 1_000 {
			due, err := b.WaitDue(t.Context(), 1)
			require.NoError(t, err)
			require.Equal(t, start.Add(time.Duration(i)*10*time.Millisecond), due)
			require.Equal(t, due, time.Now())
		}
	})
}

func TestBucketSharedByManyIsFairToTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, 1_000, 1)
		start := time.Now()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for range 100 {
					require.NoError(t, b.Wait(t.Context()))
				}
			})
		}
		wg.Wait()
		require.Equal(t, 4_999*time.Millisecond, time.Since(start))
	})
}

// A waiter that comes back late is what a busy machine does to a limiter. The
// clock is moved between the wait and the next call.
func TestBucketMakesUpOversleptTimeButNotIdleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := traffic.NewLateBucket(t, 100, 1, 35*time.Millisecond)
		start := time.Now()
		n := 0
		for time.Since(start) < 10*time.Second {
			require.NoError(t, late.Wait(t.Context()))
			n++
		}
		require.InDelta(t, 1000, n, 5, "each wait overslept by three intervals")

		time.Sleep(time.Minute) // idle: one token, not six thousand
		require.True(t, late.Allow())
		taken := 0
		for late.Allow() {
			taken++
		}
		require.LessOrEqual(t, taken, 4, "no more than the last oversleep")
	})
}

func TestBucketTakesNothingWhenItFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t, 1, 2)
		require.ErrorContains(t, b.WaitN(t.Context(), 3), "holds at most 2")
		require.True(t, b.AllowN(2))

		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, b.Wait(ctx), context.DeadlineExceeded, "the token comes after the deadline")

		ctx, cancel = context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Wait(ctx) }()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		time.Sleep(time.Second)
		require.True(t, b.Allow(), "the canceled waiter gave its token back")
		require.ErrorIs(t, b.Wait(ctx), context.Canceled)
	})
}

func TestBucketWithoutLimitNeverWaits(t *testing.T) {
	b := newBucket(t, traffic.Inf, 1)
	for range 1000 {
		require.True(t, b.AllowN(5))
	}
	require.Equal(t, traffic.Inf, b.Rate())
}

func ExampleBucket() {
	b, err := traffic.NewBucket(1000, 10)
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		if err := b.Wait(context.Background()); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(b.Rate(), b.Burst())
	// Output: 1000 10
}
