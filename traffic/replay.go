package traffic

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Replay repeats a recorded schedule: event k is due at Replay[k]. The
// instants must not go back.
type Replay []time.Duration

// ReadReplay reads a recorded schedule: one instant a line, measured from the
// start, as a number of seconds ("1.25") or a Go duration ("1250ms"). Empty
// lines and lines that begin with '#' are skipped.
func ReadReplay(r io.Reader) (Replay, error) {
	var out Replay
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			s, err := strconv.ParseFloat(text, 64)
			if err != nil || s*1e9 >= float64(forever) || s != s {
				return nil, fmt.Errorf("read schedule: line %d is %.40q, want seconds or a duration such as 1250ms", n, text)
			}
			d = time.Duration(s * 1e9)
		}
		out = append(out, d)
		if d < 0 || len(out) > 1 && d < out[len(out)-2] {
			return nil, fmt.Errorf("read schedule: line %d is %.40q, want instants that never go back", n, text)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read schedule: %w", err)
	}
	return out, out.Validate()
}

// Next implements [Shape].
func (r Replay) Next(c Cursor) (Cursor, bool) {
	if c.K+1 >= int64(len(r)) {
		return Cursor{}, false
	}
	return Cursor{K: c.K + 1, At: r[c.K+1]}, true
}

// Integral implements [Shape]. It is a staircase.
func (r Replay) Integral(t time.Duration) float64 {
	return float64(sort.Search(len(r), func(i int) bool { return r[i] >= t }))
}

// Rate implements [Shape]. It is the number of events in the second around t.
func (r Replay) Rate(t time.Duration) float64 {
	return r.Integral(t+time.Second/2) - r.Integral(t-time.Second/2)
}

// Length implements [Finite]. It is the last event's instant.
func (r Replay) Length() time.Duration {
	if len(r) == 0 {
		return 0
	}
	return r[len(r)-1]
}

// Validate implements [Shape].
func (r Replay) Validate() error {
	if len(r) == 0 {
		return errors.New("recorded schedule: it has no events")
	}
	for i := range r {
		if r[i] < 0 || i > 0 && r[i] < r[i-1] {
			return fmt.Errorf("recorded schedule: event %d is at %v, want instants that never go back", i, r[i])
		}
	}
	return nil
}

// String implements [Shape].
func (r Replay) String() string {
	if len(r) == 0 {
		return "a recorded schedule without events"
	}
	return fmt.Sprintf("%d recorded events over %v", len(r), r[len(r)-1])
}
