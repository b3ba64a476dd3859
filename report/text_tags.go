package report

import (
	"fmt"
	"strings"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/facts"
)

// shownTags are the sets of tags that are printed; the result has all of them.
const shownTags = 8

// writeTags shows the parts of actions that have tags, a line each, by name.
func writeTags(b *strings.Builder, s *harness.ScenarioResult) {
	n := 0
	for _, name := range sorted(s.Actions) {
		tags := s.Actions[name].Tags
		for _, set := range sorted(tags) {
			if n++; n > shownTags {
				continue
			}
			if n == 1 {
				b.WriteByte('\n')
				writeTableHeader(b, "by their tags")
			}
			a := tags[set]
			writeLine(b, name+"{"+set+"}", a.Count, a.Errors, a.Response)
		}
	}
	if n > shownTags {
		fmt.Fprintf(b, "  and %d more, in the result\n", n-shownTags)
	}
}

// ownLine writes a name that is too long for its column on a line before, as far
// as that goes, and returns what is left for the column.
func ownLine(b *strings.Builder, name string, column int) string {
	text := []rune(name)
	if len(text) <= column {
		return name
	}
	if most := facts.Width - 2; len(text) > most {
		text = append(text[:most-1], '…')
	}
	fmt.Fprintf(b, "  %s\n", string(text))
	return ""
}
