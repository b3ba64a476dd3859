package campaign

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report"
)

// reports are the files that hold all results, and their formats.
var reports = []struct{ name, format string }{{"report.html", "html"}, {"result.md", "markdown"}, {"junit.xml", "junit"}}

// wrote reports whether any step has left something to report.
func (c *Campaign) wrote() bool {
	results, _ := c.results()
	return len(results) > 0
}

// results are those of all steps in their order, also of those that were killed.
func (c *Campaign) results() ([]*harness.Result, error) {
	var all []*harness.Result
	var errs []error
	for _, p := range c.Record().Phases {
		if p.Folder == "" {
			continue
		}
		dir := filepath.Join(c.folder.path, p.Folder)
		if found, _ := filepath.Glob(filepath.Join(escape(dir), "*", "*.*json")); len(found) == 0 { // the pattern is fine
			continue
		}
		res, err := report.Read(dir)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.Name, err))
		}
		all = append(all, res...)
	}
	return all, errors.Join(errs...)
}

// report writes all results as files.
func (r *running) report() (State, string) {
	results, err := r.results()
	errs := []error{err}
	for _, f := range reports {
		var b bytes.Buffer
		err := report.Write(&b, f.format, results...)
		if err == nil {
			err = os.WriteFile(filepath.Join(r.folder.path, f.name), b.Bytes(), 0o600)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("write %s: %w", f.name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return broken(err)
	}
	return Done, ""
}
