package runners

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Range is a part of a list of targets whose order is stable: from Start, End
// excluded, in numbers or in percent of the whole. The zero value is all.
type Range struct {
	Start, End float64
	// Percent says that both are percentages.
	Percent bool
}

// All reports whether the range is all there is.
func (r Range) All() bool { return r == Range{} }

// String is the range as [ParseRange] reads it.
func (r Range) String() string {
	unit := ""
	if r.Percent {
		unit = "%"
	}
	if r.All() {
		return "all"
	}
	return fmt.Sprintf("%v%s:%v%s", r.Start, unit, r.End, unit)
}

var errRange = errors.New("want START:END, counted from 0, END excluded and larger than START, such as 0:100, or 0%:50%")

// ParseRange reads START:END, as Coder's utility has it, or START%:END%. Both
// are needed.
func ParseRange(text string) (Range, error) {
	from, to, ok := strings.Cut(text, ":")
	start, startPercent, err1 := parseEdge(from)
	end, endPercent, err2 := parseEdge(to)
	switch {
	case !ok || err1 != nil || err2 != nil,
		startPercent != endPercent && start != 0, // 0 is the same in both
		start < 0, end <= start, endPercent && end > 100:
		return Range{}, errRange
	}
	return Range{start, end, endPercent}, nil
}

func parseEdge(text string) (n float64, percent bool, err error) {
	if number, ok := strings.CutSuffix(text, "%"); ok {
		n, err = strconv.ParseFloat(number, 64)
		if err == nil && (math.IsNaN(n) || math.IsInf(n, 0)) {
			err = errRange
		}
		return n, true, err
	}
	whole, err := strconv.Atoi(text)
	return float64(whole), false, err
}

// Of returns the range in numbers for a list of n. A range that goes beyond the
// end is an error. Percentages are rounded, so that ranges that follow each other
// leave nothing out and share nothing.
func (r Range) Of(n int) (start, end int, err error) {
	switch {
	case r.All():
		return 0, n, nil
	case r.Percent:
		return share(r.Start, n), share(r.End, n), nil
	case int(r.End) > n:
		return 0, 0, fmt.Errorf("it goes to %d, but there are only %d", int(r.End), n)
	}
	return int(r.Start), int(r.End), nil
}

func share(percent float64, n int) int { return int(math.Round(percent / 100 * float64(n))) }

// Cut cuts a list of targets to a range.
func Cut[T any](targets []T, r Range) ([]T, error) {
	start, end, err := r.Of(len(targets))
	if err != nil {
		return nil, err
	}
	return targets[start:end:end], nil
}

// Slices cuts a list of targets into consecutive parts, one for each percentage,
// for scenarios that run side by side: no target is in two of them. They add up
// to at most 100.
func Slices[T any](targets []T, percent ...float64) ([][]T, error) {
	sum := 0.0
	out := make([][]T, 0, len(percent))
	for _, p := range percent {
		if !(p >= 0) {
			return nil, fmt.Errorf("a share is %v%%, want 0 or more", p)
		}
		start := share(sum, len(targets))
		sum += p
		if sum > 100+1e-9 {
			return nil, fmt.Errorf("the shares add up to more than 100%%: %v", percent)
		}
		end := min(share(sum, len(targets)), len(targets))
		out = append(out, targets[start:end:end])
	}
	return out, nil
}
