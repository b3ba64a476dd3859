package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report"
)

// reporting makes reports of result files.
func reporting(fs *flag.FlagSet) action {
	format := fs.String("format", "", "one of "+strings.Join(report.Formats(), ", ")+" (default by the ending of -o: .html, .md, .xml is junit, .csv; else text)")
	out := fs.String("o", "", "`path` of the file to write (default standard output)")
	facts := map[string]string{}
	fs.Func("fact", "`name=value` of the target that the results lack, such as database=db-f1-micro; may be repeated", func(text string) error {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return fmt.Errorf("want name=value")
		}
		facts[name] = value
		return nil
	})
	return func(_ context.Context, args []string, stdio streams) error {
		if *format == "" {
			*format = formatOf(*out)
		}
		if !slices.Contains(report.Formats(), *format) {
			return usageError{fmt.Errorf("-format is %q, want one of %s", *format, strings.Join(report.Formats(), ", "))}
		}
		results, err := report.Read(args...)
		if err != nil {
			return err
		}
		for _, res := range results {
			for name, value := range facts {
				res.Target[name] = value
			}
		}
		return writeTo(*out, stdio.out, func(w io.Writer) error {
			if *format == "text" && *out == "" && isTerminal(w) {
				return inColor(w, results)
			}
			return report.Write(w, *format, results...)
		})
	}
}

// formatOf is what a file with this name holds.
func formatOf(path string) string {
	switch filepath.Ext(path) {
	case ".html":
		return "html"
	case ".md":
		return "markdown"
	case ".xml":
		return "junit"
	case ".csv":
		return "csv"
	}
	return "text"
}

// writeTo writes a file whole, for its owner's eyes only, or to standard output.
func writeTo(path string, stdout io.Writer, write func(io.Writer) error) error {
	if path == "" || path == "-" {
		return write(stdout)
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func inColor(w io.Writer, results []*harness.Result) error {
	for i, res := range results {
		if err := report.Text(w, res, report.TextOptions{Color: true, NoLegend: i > 0}); err != nil {
			return err
		}
	}
	return nil
}

// isTerminal reports whether colours are of use. NO_COLOR is everybody's wish for
// none: https://no-color.org.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
