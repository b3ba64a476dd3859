package scaletest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report"
)

// Output is a place for results: a format, and the path of a file.
//
//	text      the summary for people
//	html      a page with charts; see [report.HTML]
//	markdown  see [report.Markdown]
//	github    annotations of a job of GitHub Actions; see [report.GitHub]
//	junit     see [report.JUnit]
//	csv       see [report.CSV]
//	bench     see [report.Bench]
//	row       a row of the table that Coder publishes; see [report.Row]
//	json      the keys of the JSON of Coder's own utility; see [report.JSON]
//	result    everything, as result.json has it
//
// Without a path it is printed while the test runs: "text", and at most one
// other; benchmarks print none. "result" and "html" without one are result.json
// and report.html in the artefact folder, which are written in any case.
//
// Where a test binary has several runs, a file holds all of them, but for json and
// result: those hold a single run. The first has the path, and later ones a number
// before its ending, such as out-2.json.
//
// Under GitHub Actions (GITHUB_ACTIONS=true) the annotations are printed and the
// Markdown goes to the job's summary (GITHUB_STEP_SUMMARY) without being asked for.
type Output struct{ Format, Path string }

func (p *envParser) outputs(name string) []Output {
	v := p.text(name)
	if v == "" {
		v = "text"
	}
	var out []Output
	printed := map[string]bool{}
	for spec := range strings.SplitSeq(v, ",") {
		format, path, _ := strings.Cut(strings.TrimSpace(spec), ":")
		if !slices.Contains(report.Formats(), format) {
			p.bad(name, "format or format:path, separated by commas, with the formats "+strings.Join(report.Formats(), ", "))
			return nil
		}
		if path == "" && !inFolder[format] && format != "text" {
			printed[format] = true
		}
		out = append(out, Output{format, path})
	}
	if len(printed) > 1 {
		p.bad(name, "a path for all but one of "+strings.Join(sortedKeys(printed), ", ")+", as in json:summary.json, because they would be printed into each other")
	}
	return out
}

// inFolder are the formats that are in the artefact folder in any case.
var inFolder = map[string]bool{"result": true, "html": true}

// checkOutputs refuses paths that can't be written before a run has taken its
// time.
func checkOutputs(outputs []Output) error {
	var errs []error
	for _, o := range outputs {
		if o.Path == "" {
			continue
		}
		info, err := os.Stat(filepath.Dir(o.Path))
		if err == nil && !info.IsDir() {
			err = errors.New("it is not a folder")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("CODER_SCALETEST_OUTPUTS has %s:%s, want a path in a folder that exists: %w", o.Format, o.Path, err))
		}
	}
	return errors.Join(errs...)
}

// writtenRun is a result and where it is as a whole.
type writtenRun struct {
	res  *harness.Result
	path string
}

// written is what this process has written so far, by path.
var written = struct {
	sync.Mutex
	names map[string]int
	runs  map[string][]writtenRun
}{names: map[string]int{}, runs: map[string][]writtenRun{}}

// unused is the path that a file of one run gets.
func unused(path string) string {
	if isSpecial(path) {
		return path
	}
	written.Lock()
	defer written.Unlock()
	written.names[path]++
	if n := written.names[path]; n > 1 {
		ending := filepath.Ext(path)
		return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(path, ending), n, ending)
	}
	return path
}

// isSpecial reports whether a path is a pipe or a device, which gets each run
// once.
func isSpecial(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.Mode().IsRegular()
}

// files are where a run's result is.
type files struct {
	result string   // as a whole; "" is nowhere
	page   string   // report.html; "" is nowhere
	others []string // of the outputs
}

// write puts a result wherever it is wanted. With a page, there is one beside the
// result.
func write(res *harness.Result, dir, name string, page bool, outputs []Output) (f files, err error) {
	if dir != "" {
		f.result = unused(filepath.Join(dir, name))
		err = res.WriteFile(f.result)
	}
	if dir != "" && page {
		f.page = unused(filepath.Join(dir, "report.html"))
		err = errors.Join(err, writeFile(f.page, func(w io.Writer) error { return report.HTML(w, res) }))
	}
	for _, o := range outputs {
		if o.Path == "" {
			continue
		}
		file, werr := o.write(writtenRun{res, f.result})
		if werr == nil {
			f.others = append(f.others, file)
		}
		err = errors.Join(err, werr)
	}
	if err != nil {
		err = fmt.Errorf("write the results: %w", err)
	}
	return f, err
}

// write adds a run to the output's file, and returns which that is.
func (o Output) write(run writtenRun) (file string, err error) {
	switch o.Format {
	case "result":
		file = unused(o.Path)
		return file, run.res.WriteFile(file)
	case "json":
		file = unused(o.Path)
		return file, writeFile(file, func(w io.Writer) error { return o.render(w, run) })
	}
	if isSpecial(o.Path) {
		return o.Path, writeFile(o.Path, func(w io.Writer) error { return o.render(w, run) })
	}
	written.Lock() // until it is written, or an older state could come last
	defer written.Unlock()
	written.runs[o.Path] = append(written.runs[o.Path], run)
	return o.Path, writeFile(o.Path, func(w io.Writer) error { return o.render(w, written.runs[o.Path]...) })
}

// render writes runs in the output's format; json only the last.
func (o Output) render(w io.Writer, runs ...writtenRun) error {
	var results []*harness.Result
	for _, run := range runs {
		results = append(results, run.res)
	}
	switch o.Format {
	case "json":
		return report.JSON(w, results[len(results)-1])
	case "text":
		for _, run := range runs {
			if err := report.Text(w, run.res, report.TextOptions{Path: run.path}); err != nil {
				return err
			}
		}
		return nil
	}
	return report.Write(w, o.Format, results...)
}

// writeFile writes a file for its owner's eyes only.
func writeFile(path string, render func(io.Writer) error) error {
	var b bytes.Buffer
	if err := render(&b); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o600)
}

// explained is set when the first summary of this process has said what its
// columns mean.
var explained atomic.Bool

// print prints what is wanted without a path. Also somebody who wants files
// only should see how it ended, and where they are.
func (c *console) print(res *harness.Result, f files, outputs []Output) error {
	o := report.TextOptions{Path: f.result, VerdictOnly: !slices.Contains(outputs, Output{Format: "text"})}
	if !o.VerdictOnly {
		o.NoLegend = explained.Swap(true)
	}
	var summary strings.Builder
	if err := report.Text(&summary, res, o); err != nil {
		return err
	}
	text := summary.String()
	if f.page != "" {
		text += fmt.Sprintf("%-12s%s\n", "report", f.page)
	}
	for _, file := range f.others {
		text += fmt.Sprintf("%-12s%s\n", "written", file) // whole, to be copied
	}
	c.printf("%s\n", text)
	for _, o := range outputs {
		if o.Path != "" || o.Format == "text" || inFolder[o.Format] {
			continue
		}
		var b bytes.Buffer
		if err := o.render(&b, writtenRun{res, f.result}); err != nil {
			return err
		}
		c.printf("%s", b.String())
	}
	return nil
}
