package codertest

import (
	"net"
	"net/http"
	"path"
	"strconv"
	"strings"
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

// passwordsPerMinute is how often somebody may try to change a password.
const passwordsPerMinute = 60

// extraLimit is the limit that some routes have besides.
func extraLimit(r *http.Request) (name string, perMinute int) {
	switch {
	case isFiles(r):
		return "files", filesPerMinute
	case r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/password") && strings.HasPrefix(r.URL.Path, "/api/v2/users/"):
		return "password", passwordsPerMinute
	}
	return "", 0
}

// withinLimits applies all limits. It answers and reports false when a request
// goes no further.
func (s *Server) withinLimits(w http.ResponseWriter, r *http.Request, key *apiKey) bool {
	address, _, _ := net.SplitHostPort(r.RemoteAddr)
	who := address
	if key != nil {
		who = key.user.id.String()
	}
	v, err := strconv.ParseBool(r.Header.Get("X-Coder-Bypass-Ratelimit"))
	asked := err == nil && v && s.cfg.RateLimit > 0 && !s.unlimit.Load()
	mayBypass := asked && key != nil && key.user.owner()
	general, caller := mayBypass, who
	if s.as.limitsByAddress {
		general, caller = false, address
	} else if asked && !mayBypass {
		refuseBypass(w)
		return false
	}
	at := path.Clean(r.URL.Path)
	limit, bucket := s.cfg.RateLimit, caller+" "+at
	if r.URL.Path == "/api/v2/users/login" && limit > 0 {
		limit, bucket = s.cfg.LoginRateLimit, "login "+caller
	}
	if !s.limit(w, bucket, limit, general) {
		return false
	}
	if name, extra := extraLimit(r); extra > 0 && limit > 0 {
		if asked && !mayBypass {
			refuseBypass(w)
			return false
		}
		return s.limit(w, name+" "+who+" "+at, extra, mayBypass)
	}
	return true
}

func refuseBypass(w http.ResponseWriter) {
	write(w, http.StatusPreconditionRequired, page{"text/plain; charset=utf-8", "\"X-Coder-Bypass-Ratelimit\" provided but user is not owner\n"})
}
