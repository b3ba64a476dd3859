package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report/bottleneck"
)

// GitHub writes the commands of GitHub Actions that annotate a job: an error for
// each reason of a verdict that is not a pass, but for one of interrupted or
// invalid, which is a warning, because it says nothing about what was tested; a
// warning for each warning; and a notice for a pass and for each likely bottleneck. GitHub shows ten of each kind
// in a step.
// See https://docs.github.com/actions/reference/workflow-commands-for-github-actions.
func GitHub(w io.Writer, results ...*harness.Result) error {
	var b strings.Builder
	for _, res := range results {
		name := res.Name
		if name == "" {
			name = res.RunID
		}
		title := name + ": " + string(res.Verdict)
		kind := "error"
		if res.Verdict == harness.Interrupted || res.Verdict == harness.Invalid {
			kind = "warning"
		}
		switch {
		case res.Verdict == harness.Pass:
			annotate(&b, "notice", title, meaningOf(res))
		case len(res.Reasons) == 0:
			annotate(&b, kind, title, meaningOf(res))
		}
		for _, reason := range res.Reasons {
			annotate(&b, kind, title, reason)
		}
		for _, text := range res.Warnings {
			annotate(&b, "warning", name, text)
		}
		for _, f := range findings(res) {
			if f.Certainty != bottleneck.Possible {
				annotate(&b, "notice", name+": the likely bottleneck", strings.Join(append([]string{fmt.Sprintf("%s (%s)", f.Title, f.Certainty)}, f.Evidence...), "\n"))
			}
		}
		for i := range res.Scenarios {
			for _, text := range res.Scenarios[i].Warnings {
				annotate(&b, "warning", name+": "+res.Scenarios[i].Name, text)
			}
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write annotations: %w", err)
	}
	return nil
}

var (
	githubMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func annotate(b *strings.Builder, kind, title, text string) {
	fmt.Fprintf(b, "::%s title=%s::%s\n", kind, githubProperty.Replace(oneLine(title)), githubMessage.Replace(text))
}
