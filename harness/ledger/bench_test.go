package ledger_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// benchPairs is how many measurements there are, each beside its baseline.
const benchPairs = 21

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// side runs a function n times, by so many users at once, and returns the time.
func side(users, n int, f func(i int)) time.Duration {
	start := time.Now()
	var wg sync.WaitGroup
	for u := range users {
		wg.Go(func() {
			for i := u; i < n; i += users {
				f(i)
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

// BenchmarkIntend compares intentions that share writes with a file that is
// synced for each, and prints the median of pairs measured in turn.
func BenchmarkIntend(b *testing.B) {
	for _, users := range []int{1, 16, 100} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			l := create(b)
			f, err := os.Create(filepath.Join(b.TempDir(), "each"))
			require.NoError(b, err)
			defer f.Close()
			var mu sync.Mutex
			each := func(i int) {
				line := fmt.Sprintf(`{"op":"intend","run":"r","kind":"workspace","name":"scaletest-r-%d"}`+"\n", i)
				mu.Lock()
				defer mu.Unlock()
				if _, err := f.WriteString(line); err != nil {
					b.Error(err)
				}
				if err := f.Sync(); err != nil {
					b.Error(err)
				}
			}
			grouped := func(i int) {
				if err := l.Intend(b.Context(), "r", "workspace", fmt.Sprintf("scaletest-r-%d", i)); err != nil {
					b.Error(err)
				}
			}
			var rates, bases, ratios []float64
			for b.Loop() {
				for range benchPairs {
					n := 200 * users
					rate := float64(n) / side(users, n, grouped).Seconds()
					base := 100 / side(users, 100, each).Seconds()
					rates, bases, ratios = append(rates, rate), append(bases, base), append(ratios, rate/base)
				}
			}
			b.ReportMetric(median(rates), "intents/s")
			b.ReportMetric(median(bases), "fsync-each/s")
			b.ReportMetric(median(ratios), "ratio")
		})
	}
}

// BenchmarkCreate is what a ledger adds to a creation over HTTP, as the median
// of pairs measured in turn. Creations arrive at a rate, as those of a schedule
// do. Users in a closed loop would measure the line for the processor, which
// they share with the stub.
func BenchmarkCreate(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"id":"0d4e4f0a-3b1f-4b53-9a1b-6f0f7f3e9d10"}`)
	}))
	defer server.Close()
	for _, rate := range []int{100, 1000, 4000} {
		b.Run(fmt.Sprintf("rate=%d/s", rate), func(b *testing.B) {
			transport := &http.Transport{MaxIdleConnsPerHost: 1000}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			l := create(b)
			plain := func(int) {
				resp, err := client.Post(server.URL, "application/json", strings.NewReader(`{"name":"scaletest-r-1"}`))
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			noted := func(i int) {
				name := fmt.Sprintf("alice/scaletest-r-%d", i)
				if err := l.Intend(b.Context(), "r", "workspace", name); err != nil {
					b.Error(err)
				}
				plain(i)
				l.Made("r", "workspace", name, "0d4e4f0a-3b1f-4b53-9a1b-6f0f7f3e9d10")
			}
			var with, without, added []float64
			for b.Loop() {
				for range benchPairs {
					w, p := arriving(rate, noted), arriving(rate, plain)
					with, without, added = append(with, w), append(without, p), append(added, w-p)
				}
			}
			b.ReportMetric(median(with), "ms-with")
			b.ReportMetric(median(without), "ms-without")
			b.ReportMetric(median(added), "ms-added")
		})
	}
}

// arriving calls f at a rate for a fifth of a second and returns how long a call
// took on average, in milliseconds.
func arriving(rate int, f func(i int)) float64 {
	n := rate / 5
	var total atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range n {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		wg.Go(func() {
			start := time.Now()
			f(i)
			total.Add(int64(time.Since(start)))
		})
	}
	wg.Wait()
	return time.Duration(total.Load()/int64(n)).Seconds() * 1000
}
