package report

import (
	"slices"
	"strings"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report/bottleneck"
)

// What is said of bottlenecks: the first few, with some of their evidence.
const (
	shownBottlenecks = 2
	shownEvidence    = 3
)

// writeBottleneck says what probably held the deployment back, if that is more than
// possible. Of the generator there is a part of its own, and the embedded deployment
// has limits that nobody wants to raise.
func writeBottleneck(b *strings.Builder, res *harness.Result) {
	shown := 0
	for _, f := range findings(res) {
		probable := f.Certainty != bottleneck.Possible && f.Cause != bottleneck.Generator || f.Cause == bottleneck.Unexplained
		if !probable || shown == shownBottlenecks {
			continue
		}
		if shown++; shown == 1 {
			b.WriteByte('\n')
		}
		writeFact(b, 12, "bottleneck", f.Title+" ("+string(f.Certainty)+")")
		for _, e := range f.Evidence[:min(len(f.Evidence), shownEvidence)] {
			writeFact(b, 12, "", e)
		}
		writeFact(b, 12, "", "try: "+f.Try[0])
	}
}

// findings are those of a deployment that somebody could change. That nobody looked
// at the server's side is no finding where nobody meant to.
func findings(res *harness.Result) []bottleneck.Finding {
	if res.Target["embedded"] == "true" {
		return nil
	}
	return slices.DeleteFunc(bottleneck.Find(res), func(f bottleneck.Finding) bool {
		return f.Cause == bottleneck.Unseen && res.Server == nil
	})
}
