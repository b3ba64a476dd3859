package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/coderscale/scaletest/harness"
)

// writers are the formats that take several results.
var writers = map[string]func(io.Writer, ...*harness.Result) error{
	"bench": Bench, "csv": CSV, "github": GitHub, "html": HTML, "junit": JUnit, "markdown": Markdown, "row": Row,
}

// single are the formats that take one.
var single = map[string]func(io.Writer, *harness.Result) error{
	"json": JSON,
	"result": func(w io.Writer, res *harness.Result) error {
		return res.Write(w)
	},
}

// Formats are the names that [Write] knows, in their order.
func Formats() []string {
	return slices.Sorted(slices.Values(slices.Concat([]string{"text"}, slices.Collect(maps.Keys(writers)), slices.Collect(maps.Keys(single)))))
}

// Write writes results in a format:
//
//	text      for people at a terminal; see [Text]
//	html      a page with charts; see [HTML]
//	markdown  see [Markdown]
//	github    see [GitHub]
//	junit     see [JUnit]
//	csv       see [CSV]
//	bench     see [Bench]
//	row       see [Row]
//	json      the keys of the JSON of Coder's own utility; see [JSON]
//	result    everything, as result.json has it
//
// The last two take one result.
func Write(w io.Writer, format string, results ...*harness.Result) error {
	if write, ok := writers[format]; ok {
		return write(w, results...)
	}
	if write, ok := single[format]; ok {
		if len(results) != 1 {
			return fmt.Errorf("write %s: %d results, but a file of it holds one: want another format, or one result at a time", format, len(results))
		}
		return write(w, results[0])
	}
	if format != "text" {
		return fmt.Errorf("write %q: there is no such format: want one of %s", format, strings.Join(Formats(), ", "))
	}
	for i, res := range results {
		if err := Text(w, res, TextOptions{NoLegend: i > 0}); err != nil {
			return err
		}
	}
	return nil
}
