package harness

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/coderscale/scaletest/traffic"
)

// Describe renders a schedule as one human line: what its String says, and what
// follows from it, how long it is and how many iterations it starts, where that is
// known.
//
//	arrivals at 20/s for 1m0s on 100 users: 1200 starts in 1m0s
func Describe(s Schedule) string {
	text := s.String()
	if s.Validate() != nil {
		return text
	}
	n, length := startsOf(s), s.Length()
	if n == int64(s.Users()) {
		n = 0 // one each needs no words
	}
	starts := plural(n, "start")
	if a, ok := s.(Arrivals); ok && atRandom(a.Shape) {
		starts = "about " + starts
	}
	switch {
	case n > 0 && length > 0:
		return fmt.Sprintf("%s: %s in %v", text, starts, length.Round(time.Millisecond))
	case n > 0:
		return fmt.Sprintf("%s: %s", text, starts)
	case length > 0 && !strings.Contains(text, "for "+length.String()):
		return fmt.Sprintf("%s: %v", text, length.Round(time.Millisecond))
	}
	return text
}

// startsOf is how many iterations a schedule starts when all users are ready, and
// 0 where that depends on how long they take.
func startsOf(s Schedule) int64 {
	if a, ok := s.(Arrivals); ok {
		if r, ok := a.Shape.(traffic.Replay); ok && a.byItself() {
			return int64(len(r)) // the last one is at its end
		}
		// Events are at the instants where the integral passes 0, 1, 2, ...
		return int64(math.Ceil(a.Shape.Integral(a.Length()) - 1e-9))
	}
	if p, ok := s.(planned); ok {
		return p.iterations(int64(s.Users()), Shard{})
	}
	return 0
}

// atRandom reports whether a shape's integral is only what is to be expected of it.
func atRandom(s traffic.Shape) bool {
	_, poisson := s.(traffic.Poisson)
	return poisson
}
