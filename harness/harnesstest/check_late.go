package harnesstest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/coderscale/scaletest/internal/peek"
)

// judgeLate looks whether more was recorded since the last Run returned. All that
// the runner has started is gone by now, or is a leak.
func (s *suite) judgeLate(o *outcome) {
	if o.rec == nil || o.users > 1 { // several users record what they want
		return
	}
	now := peek.Recorded(o.rec)
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if now[name] != o.recorded[name] {
			s.find(o, Late, fmt.Sprintf("the %s was recorded after Run had returned", name), wantInRun)
		}
	}
}
