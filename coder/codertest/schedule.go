package codertest

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// nextStart is when the workspace starts by itself, or nil.
func (w *workspace) nextStart() *time.Time {
	if w.autostart == nil {
		return nil
	}
	return nextTime(*w.autostart, now())
}

// nextTime reads a schedule such as "CRON_TZ=UTC 30 9 * * 1-5": a minute, an
// hour, and days of the week. It returns nil for all others.
func nextTime(schedule string, after time.Time) *time.Time {
	fields := strings.Fields(schedule)
	zone := time.UTC
	if len(fields) > 0 && strings.HasPrefix(fields[0], "CRON_TZ=") {
		z, err := time.LoadLocation(strings.TrimPrefix(fields[0], "CRON_TZ="))
		if err != nil {
			return nil
		}
		zone, fields = z, fields[1:]
	}
	if len(fields) != 5 {
		return nil
	}
	minute, err := strconv.Atoi(fields[0])
	if err != nil {
		return nil
	}
	hour, err := strconv.Atoi(fields[1])
	if err != nil {
		return nil
	}
	days := weekDays(fields[4])
	local := after.In(zone)
	for d := range 8 {
		t := time.Date(local.Year(), local.Month(), local.Day()+d, hour, minute, 0, 0, zone)
		if t.After(after) && slices.Contains(days, int(t.Weekday())) {
			t = t.UTC()
			return &t
		}
	}
	return nil
}

// weekDays reads "1-5", "0,6" or "*".
func weekDays(s string) []int {
	if s == "*" {
		s = "0-6"
	}
	var out []int
	for _, part := range strings.Split(s, ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(from)
		if err != nil {
			continue
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(to); err != nil {
				continue
			}
		}
		for d := a; d <= min(b, 7); d++ {
			out = append(out, d%7)
		}
	}
	return out
}

// keptTimes is how many builds of a kind the statistics are of.
const keptTimes = 100

// took notes how long a build ran.
func (t *template) took(transition string, d time.Duration) {
	if t.times == nil {
		t.times = map[string][]time.Duration{}
	}
	all := append(t.times[transition], d)
	t.times[transition] = all[max(0, len(all)-keptTimes):]
}

// buildTimes are percentiles in milliseconds.
func (t *template) buildTimes() map[string]buildTimeJSON {
	out := map[string]buildTimeJSON{"start": {}, "stop": {}, "delete": {}}
	for transition, all := range t.times {
		sorted := slices.Sorted(slices.Values(all))
		at := func(p int) *int64 {
			ms := sorted[(len(sorted)-1)*p/100].Milliseconds()
			return &ms
		}
		out[transition] = buildTimeJSON{at(50), at(95)}
	}
	return out
}
