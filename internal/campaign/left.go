package campaign

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/ledger"
)

// interrupted writes down that the campaign of a folder was killed, if its record says
// that it still goes on: whoever holds the folder knows that it does not. It reports
// whether it was. A folder without a record has had no campaign.
func (f *folder) interrupted(now time.Time) (killed bool, err error) {
	rec, err := readRecord(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || rec.Verdict != "" {
		return false, err
	}
	const reason = "it was killed, some time before this was noticed"
	for i := range rec.Phases {
		if p := &rec.Phases[i]; p.State == Running {
			p.State, p.Detail, p.Ended = State(harness.Interrupted), reason, now
		}
	}
	rec.Verdict, rec.Ended = harness.Interrupted, now
	rec.Reasons = append(rec.Reasons, reason)
	return true, rec.write(f.path)
}

// shownLeft is how many names of a folder are told at most.
const shownLeft = 20

// tellLeft says what ledgers of folders name, and how it is deleted. It returns how many
// there are.
func tellLeft(out io.Writer, folders []string) (total int) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) } // the caller's error says the sum
	for _, dir := range folders {
		var left []ledger.Entry
		recs, _ := ledger.List(dir) // what can't be read was said
		for _, rec := range recs {
			left = append(left, rec.Left...)
		}
		total += len(left)
		say("left: %d, which 'scaletest cleanup -ledger %s' deletes", len(left), dir)
		for _, e := range left[:min(len(left), shownLeft)] {
			say("    %s %s", e.Kind, e.Name)
		}
		if more := len(left) - shownLeft; more > 0 {
			say("    and %d more", more)
		}
	}
	return total
}
