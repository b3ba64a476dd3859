package collector_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/collector"
)

var over = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func TestASecondProcessThatWouldBeTheSameShardLoadsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, net := serve(t, collector.Config{Shards: 2})
		first, second := net.shard(0, 2), net.shard(0, 2)
		stay, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { first.Stay(stay) })
		synctest.Wait()
		_, err := second.Meet(t.Context(), "load", "", false)
		require.ErrorContains(t, err, "shard 1/2 is there already, as process ")

		other := net.shard(1, 2)
		for _, c := range []*collector.Client{first, other} {
			wg.Go(func() {
				_, err := c.Meet(t.Context(), "load", "", false)
				require.NoError(t, err)
				require.NoError(t, c.Send(t.Context(), "TestX", bytes.NewReader(ran(t, c.Shard.Index, 2)), over))
			})
		}
		time.Sleep(2 * time.Second)
		_, err = second.Meet(t.Context(), "load", "", false)
		require.ErrorContains(t, err, "is there already", "in mid-load, too")
		require.ErrorContains(t, second.Send(t.Context(), "TestX", bytes.NewReader(ran(t, 0, 2)), over), "is there already")
		time.Sleep(10 * time.Second)
		leave()
		runs, err := s.Wait(t.Context())
		wg.Wait()
		require.NoError(t, err)
		require.Equal(t, harness.Pass, runs[0].Result.Verdict, runs[0].Result.Reasons)
		require.Equal(t, 7, runs[0].Result.Scenarios[0].Users)
	})
}

func TestAnotherProcessMayTakeAPlaceThatIsFreeButDoesNotRepeatARun(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, c *collector.Client){
		"one that has left": func(t *testing.T, c *collector.Client) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			c.Stay(ctx)
		},
		"one that was killed": func(*testing.T, *collector.Client) { time.Sleep(16 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				said := ""
				s, err := collector.New(collector.Config{Shards: 1, Dir: t.TempDir(), Logf: func(f string, a ...any) { said += fmt.Sprintf(f, a...) + "\n" }})
				require.NoError(t, err)
				net := &inMemory{handler: s}
				first, second := net.shard(0, 1), net.shard(0, 1)
				_, err = first.Meet(t.Context(), "load", "", false)
				require.NoError(t, err)
				require.NoError(t, first.Send(t.Context(), "TestX", bytes.NewReader(ran(t, 0, 0)), over))
				end(t, first)
				_, err = second.Meet(t.Context(), "load", "", false)
				require.ErrorContains(t, err, `the others have gone on from "load" at `)
				err = second.Send(t.Context(), "TestX", bytes.NewReader(ran(t, 0, 0)), over)
				require.ErrorContains(t, err, "shard 1/1 has done TestX already, as process ")
				_, err = second.Meet(t.Context(), "next load", "", false)
				require.NoError(t, err)
				require.NoError(t, second.Send(t.Context(), "TestY", bytes.NewReader(ran(t, 0, 0)), over))
				require.Equal(t, 2, strings.Count(said, "\nrefused: shard 1/1 of run r, process "), "both are put down: %s", said)
			})
		})
	}
}

func TestAShardThatBeginsAgainBeforeTheLoadIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, net := serve(t, collector.Config{Shards: 2})
		killed, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := net.shard(0, 2).Meet(killed, "load", "old", false)
		require.Error(t, err)
		time.Sleep(16 * time.Second)
		var wg sync.WaitGroup
		for i := range 2 { // shard 1/2 has begun again
			wg.Go(func() {
				_, err := net.shard(i, 2).Meet(t.Context(), "load", "new", false)
				require.NoError(t, err, "what the first process would have done is forgotten")
			})
			synctest.Wait()
		}
		wg.Wait()
	})
}

func TestTheResultsOfAnEarlierRunAreNotTakenForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s, net := serve(t, collector.Config{Shards: 1, Dir: dir})
		require.NoError(t, net.shard(0, 1).Send(t.Context(), "TestX", bytes.NewReader(ran(t, 0, 0)), over))
		runs, err := s.Wait(t.Context())
		require.NoError(t, err)
		_, err = runs[0].WriteFile()
		require.NoError(t, err)

		_, err = collector.New(collector.Config{Shards: 1, Dir: dir})
		require.ErrorContains(t, err, "has the results of run r, which has ended: want an empty folder for another run")
		said := ""
		again, err := collector.New(collector.Config{Shards: 1, Dir: dir, Resume: true, Logf: func(f string, a ...any) { said += fmt.Sprintf(f, a...) }})
		require.NoError(t, err)
		require.Contains(t, said, "taking up TestX of run r, which is in "+runs[0].Dir)
		runs, err = again.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, harness.Pass, runs[0].Result.Verdict)
		net.set(again, nil)
		require.ErrorContains(t, net.shard(0, 1).Send(t.Context(), "TestX", bytes.NewReader(ran(t, 0, 0)), over), "has done TestX already")
	})
}

func TestWhatAnybodyMaySendDoesNotCommandTheTerminal(t *testing.T) {
	said := ""
	s, err := collector.New(collector.Config{Shards: 1, Dir: t.TempDir(), Logf: func(f string, a ...any) { said += fmt.Sprintf(f, a...) }})
	require.NoError(t, err)
	body := strings.NewReader(`{"run_id":"r\u001b[2J","shard":"1/2","process":"x\nall passed"}`)
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/v1/alive", body))
	require.Contains(t, said, "refused: shard 1/2 of run r?[2J, x?all passed: ")
}

func TestWhoIsRefusedIsNamedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, net := serve(t, collector.Config{Shards: 2, RunID: "mine", MeetTimeout: time.Minute})
		for range 3 {
			_, err := net.shard(0, 2).Meet(t.Context(), "load", "", false)
			require.ErrorContains(t, err, "this is run r, and the collector has run mine")
		}
		stray := net.shard(2, 4)
		_, err := stray.Meet(t.Context(), "load", "", false)
		require.ErrorContains(t, err, "this is shard 3/4")
		_, err = s.Wait(t.Context())
		require.ErrorContains(t, err, "no shard of the run has come within 1m0s; refused: shard 1/2 of run r, process ")
		require.ErrorContains(t, err, "refused: shard 3/4 of run r, process ")
	})
}

func TestACollectorThatCanNotBeReachedIsSaidAtOnceAndNotWaitedForAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &inMemory{handler: http.NotFoundHandler(), broken: errors.New("connection refused")}
		c := net.shard(0, 2)
		var said []string
		c.Logf = func(f string, a ...any) { said = append(said, fmt.Sprintf(f, a...)) }
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
		defer cancel()
		_, err := c.Meet(ctx, "load", "", false)
		require.ErrorContains(t, err, "connection refused")
		require.Len(t, said, 4, "at once, and every half minute")
		require.Contains(t, said[0], "connection refused")

		begin := time.Now()
		err = c.Send(t.Context(), "TestX", bytes.NewReader(ran(t, 0, 2)), over)
		require.ErrorContains(t, err, "it could not be reached at any time")
		require.WithinDuration(t, begin.Add(3*time.Second), time.Now(), time.Second, "the run takes three seconds")
	})
}
