package scenario

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/coderscale/scaletest/runners"
)

// Duration is a time.Duration that files write as text, such as 90s or 30m.
type Duration time.Duration

// UnmarshalText reads what time.ParseDuration does.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no duration, want one such as 90s or 30m", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes what [Duration.UnmarshalText] reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// String is like 30m0s.
func (d Duration) String() string { return time.Duration(d).String() }

// Bytes is a number of bytes that files write as a number, or with KiB or MiB.
type Bytes int

// UnmarshalText reads 1024, 4KiB or 25 MiB.
func (b *Bytes) UnmarshalText(text []byte) error {
	number, unit := strings.TrimSpace(string(text)), 1
	for suffix, n := range map[string]int{"KiB": 1 << 10, "MiB": 1 << 20} {
		if rest, ok := strings.CutSuffix(number, suffix); ok {
			number, unit = strings.TrimSpace(rest), n
		}
	}
	v, err := strconv.Atoi(number)
	if err != nil || v < 0 || v > 1<<30/unit {
		return fmt.Errorf("%q is no number of bytes, want one such as 1024, 4KiB or 25MiB", text)
	}
	*b = Bytes(v * unit)
	return nil
}

// UnmarshalYAML takes plain numbers as well, which are no text in YAML.
func (b *Bytes) UnmarshalYAML(n *yaml.Node) error { return b.UnmarshalText([]byte(n.Value)) }

// Targets is a part of the targets. The zero value is all.
type Targets struct {
	// Share is a percentage, for a part that follows the one of the scenario
	// before. 0 means that Range counts.
	Share float64

	// Range is counted from the beginning.
	Range runners.Range
}

// UnmarshalText reads 50%, 0:100 or 25%:50%.
func (t *Targets) UnmarshalText(text []byte) error {
	if s, ok := strings.CutSuffix(string(text), "%"); ok && !strings.Contains(s, ":") {
		share, err := strconv.ParseFloat(s, 64)
		if err != nil || !(share > 0 && share <= 100) {
			return fmt.Errorf("targets are %q, want a share from 0%% to 100%%", text)
		}
		*t = Targets{Share: share}
		return nil
	}
	r, err := runners.ParseRange(string(text))
	if err != nil {
		return fmt.Errorf("targets are %q, %w, or a share such as 50%%", text, err)
	}
	*t = Targets{Range: r}
	return nil
}

// MarshalText writes what [Targets.UnmarshalText] reads.
func (t Targets) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// IsZero reports whether it is all there is.
func (t Targets) IsZero() bool { return t == Targets{} }

// String is the part as files write it.
func (t Targets) String() string {
	switch {
	case t.Share > 0:
		return strconv.FormatFloat(t.Share, 'f', -1, 64) + "%"
	case t.Range.All():
		return ""
	}
	return t.Range.String()
}

// maxLevel is more than anybody asks for, and a number of users that an int holds.
const maxLevel = 1e9

// Level is what a stage goes to: a number, or a percentage of the targets.
type Level struct {
	Number  float64
	Percent bool
}

// UnmarshalText reads 200, 12.5 or 50%.
func (l *Level) UnmarshalText(text []byte) error {
	number, percent := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v >= 0 && v <= maxLevel) || percent && v > 100 {
		return fmt.Errorf("%q is nothing to go to, want a number such as 200, or a share of the targets such as 50%%", text)
	}
	*l = Level{Number: v, Percent: percent}
	return nil
}

// UnmarshalYAML takes plain numbers as well, which are no text in YAML.
func (l *Level) UnmarshalYAML(n *yaml.Node) error { return l.UnmarshalText([]byte(n.Value)) }

// MarshalText writes what [Level.UnmarshalText] reads.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// IsZero reports whether it is 0.
func (l Level) IsZero() bool { return l == Level{} }

// String is the level as files write it.
func (l Level) String() string {
	text := strconv.FormatFloat(l.Number, 'f', -1, 64)
	if l.Percent {
		text += "%"
	}
	return text
}

// of is the number of users that it means.
func (l Level) of(targets int) int {
	if l.Percent {
		return int(math.Round(l.Number / 100 * float64(targets)))
	}
	return int(l.Number)
}
