package coder

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RateLimitEvent is one 429.
type RateLimitEvent struct {
	// Method and Path are of the refused request.
	Method, Path string
	// Wait is how long the call now waits. 0 means that it gives up.
	Wait time.Duration
	// Bypass is whether the bypass header was sent, in vain.
	Bypass bool
}

// RateLimitStats counts 429 answers over all clients of one [New].
type RateLimitStats struct {
	// Count is the number of 429 answers.
	Count int64
	// GaveUp is how many of them ended their call with an error.
	GaveUp int64
	// Waited is the time that calls have waited because of them, added up.
	Waited time.Duration
}

// RateLimited returns how often the deployment has limited this client and
// all others that came from the same New, and how long they waited.
func (c *Client) RateLimited() RateLimitStats {
	return RateLimitStats{
		Count:  c.shared.limited.Load(),
		GaveUp: c.shared.gaveUp.Load(),
		Waited: time.Duration(c.shared.waited.Load()),
	}
}

const (
	// defaultRetryAfter is for a 429 that does not say how long: Coder counts
	// in windows of a minute.
	defaultRetryAfter = 60 * time.Second
	// longestRetryAfter keeps nonsense from overflowing.
	longestRetryAfter = 24 * time.Hour
)

// retryAfter reads the wait that a 429 asks for: seconds or an HTTP date.
func retryAfter(h http.Header) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		if seconds < 0 {
			return 0
		}
		return min(time.Duration(min(seconds, int64(longestRetryAfter/time.Second)))*time.Second, longestRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), longestRetryAfter)
	}
	return defaultRetryAfter
}
