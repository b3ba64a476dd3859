package scaletest

import (
	"bytes"
	"fmt"
	"os"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report"
)

// annotate tells GitHub Actions what came of a run, where it runs there: as
// annotations of the job, and in its summary.
func (c *console) annotate(res *harness.Result, cfg Config) error {
	if !cfg.github {
		return nil
	}
	if !c.quiet || res.Verdict != harness.Pass { // a benchmark has many that pass
		var b bytes.Buffer
		if err := report.GitHub(&b, res); err != nil {
			return err
		}
		c.printf("%s", b.String())
	}
	if cfg.githubSummary == "" || c.quiet {
		return nil
	}
	var b bytes.Buffer
	if err := report.Markdown(&b, res); err != nil {
		return err
	}
	b.WriteByte('\n') // others write to it, too
	file, err := os.OpenFile(cfg.githubSummary, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.Write(b.Bytes())
		if cerr := file.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		return fmt.Errorf("write the job's summary, GITHUB_STEP_SUMMARY: %w", err)
	}
	return nil
}
