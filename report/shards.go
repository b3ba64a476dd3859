package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// shardRow is what is said of a shard.
type shardRow struct {
	Shard, Verdict, Began, Clock, Lag, Cores string
}

// shardRows are those of a merged result.
func shardRows(res *harness.Result) (rows []shardRow) {
	first, _, _ := loadsBegan(res.Shards)
	for _, s := range res.Shards {
		row := shardRow{Shard: s.Shard, Verdict: string(s.Verdict), Began: "no load", Clock: "not compared", Cores: "unknown"}
		if s.Partial {
			row.Verdict = "partial"
		}
		if began, ok := loadBegan(s); ok {
			row.Began = "+" + short(began.Sub(first).Seconds())
		}
		if c := s.Clock; c != nil {
			row.Clock = fmt.Sprintf("%+.3f s, within %s", 0-c.Offset, short(c.Uncertainty))
		}
		worst := 0.0
		for _, lag := range s.LagP99 {
			worst = max(worst, lag)
		}
		row.Lag = short(worst)
		if w := s.Generator.Watch; w != nil {
			row.Cores = fmt.Sprintf("%.1f of %d", w.CPU, s.Generator.GOMAXPROCS)
		}
		rows = append(rows, row)
	}
	return rows
}

// loadBegan is when a shard's load began, by the clock of all.
func loadBegan(s harness.ShardResult) (time.Time, bool) {
	for _, p := range s.Phases {
		if p.Name == "load" {
			return s.StartedAt.Add(time.Duration(p.At * float64(time.Second))), true
		}
	}
	return time.Time{}, false
}

// loadsBegan are the first and the last beginning of a load, and by how much their
// clocks may be wrong; zero if there is none.
func loadsBegan(shards []harness.ShardResult) (first, last time.Time, within float64) {
	for _, s := range shards {
		began, ok := loadBegan(s)
		if !ok {
			continue
		}
		if first.IsZero() || began.Before(first) {
			first = began
		}
		if began.After(last) {
			last = began
		}
		if s.Clock != nil {
			within = max(within, s.Clock.Uncertainty)
		}
	}
	return first, last, within
}

// shardsFact is one sentence about the shards of a merged result; "" for any other.
func shardsFact(res *harness.Result) string {
	if len(res.Shards) == 0 {
		return ""
	}
	_, of, _ := strings.Cut(res.Shards[0].Shard, "/")
	text := fmt.Sprintf("%d of %s", len(res.Shards), of)
	if first, last, within := loadsBegan(res.Shards); !first.IsZero() {
		text += fmt.Sprintf(", whose loads began within %s of each other", short(last.Sub(first).Seconds()))
		if within > 0 {
			text += fmt.Sprintf(" (their clocks were compared to %s)", short(within))
		}
	}
	return text
}

// writeShards says what a merged result was made of.
func writeShards(b *strings.Builder, res *harness.Result) {
	if text := shardsFact(res); text != "" {
		b.WriteByte('\n')
		writeFact(b, 12, "shards", text)
	}
}
