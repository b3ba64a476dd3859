package codertest

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// limiter counts requests in a sliding minute: those of the current minute, and
// of the one before in proportion to how much of it is still in the window.
type limiter struct {
	mu      sync.Mutex
	minute  int64
	current map[string]int
	before  map[string]int
}

const window = time.Minute

// allow counts a request unless the limit is reached.
func (l *limiter) allow(key string, limit int, t time.Time) (remaining int, reset int64, ok bool) {
	minute := t.Truncate(window).Unix()
	l.mu.Lock()
	defer l.mu.Unlock()
	if minute != l.minute {
		l.before = nil
		if minute-l.minute == int64(window/time.Second) {
			l.before = l.current
		}
		l.current, l.minute = map[string]int{}, minute
	}
	left := 1 - float64(t.Sub(t.Truncate(window)))/float64(window)
	used := l.current[key] + int(float64(l.before[key])*left)
	reset = minute + int64(window/time.Second)
	if used >= limit {
		return 0, reset, false
	}
	l.current[key]++
	return limit - used - 1, reset, true
}

// limit applies a limit and its headers. It reports whether the request goes
// on, and answers with 429 if not.
func (s *Server) limit(w http.ResponseWriter, key string, limit int, bypass bool) bool {
	if limit < 0 || s.unlimit.Load() {
		return true
	}
	remaining, reset, ok := 0, int64(0), false
	t := s.cfg.clock()
	if bypass {
		remaining, reset, ok = limit-1, t.Truncate(window).Add(window).Unix(), true
	} else {
		remaining, reset, ok = s.limits.allow(key, limit, t)
	}
	h := w.Header()
	h.Set("X-Ratelimit-Limit", strconv.Itoa(limit))
	h.Set("X-Ratelimit-Remaining", strconv.Itoa(remaining))
	h.Set("X-Ratelimit-Reset", strconv.FormatInt(reset, 10))
	if ok {
		return true
	}
	s.stats.limited.Add(1)
	h.Set("Retry-After", "60")
	write(w, http.StatusTooManyRequests, msg("You've been rate limited for sending more than %d requests in 1m0s.", limit))
	return false
}
