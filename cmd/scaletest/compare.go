package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"

	"github.com/coderscale/scaletest/report"
	"github.com/coderscale/scaletest/report/compare"
)

// exitUndecided is when a gate can't be decided, for want of runs.
const exitUndecided = 3

// comparing holds runs of now against runs of before.
func comparing(fs *flag.FlagSet) action {
	var o compare.Options
	format := fs.String("format", "text", "one of text, markdown and html")
	out := fs.String("o", "", "`path` of the file to write (default standard output)")
	page := fs.String("html", "", "also write a page with the percentile curves to this `path`")
	fs.Float64Var(&o.Alpha, "alpha", 0, "how likely a change may be by `chance` (default 0.05)")
	fs.Float64Var(&o.Confidence, "confidence", 0, "`share` of the intervals (default 0.95)")
	fs.BoolVar(&o.Doubtful, "doubtful", false, "take runs whose verdict is invalid, interrupted or error, too")
	fs.Func("fail-if", "`condition` on which to fail with exit code 1, such as 'p99 > +10%' or 'terminals/echo p99 > +5ms'; with 3 where there are not enough runs to tell; may be repeated", func(text string) error {
		g, err := compare.ParseGate(text)
		o.Gates = append(o.Gates, g)
		return err
	})
	return func(_ context.Context, args []string, stdio streams) error {
		writers := map[string]func(*compare.Comparison, io.Writer) error{
			"text": (*compare.Comparison).Text, "markdown": (*compare.Comparison).Markdown, "html": (*compare.Comparison).HTML,
		}
		write, ok := writers[*format]
		if !ok {
			return usageError{fmt.Errorf("-format is %q, want text, markdown or html", *format)}
		}
		at := slices.Index(args, "--")
		if at <= 0 || at == len(args)-1 {
			return usageError{errors.New("want the old results, then --, then the new ones, as in scaletest compare old/ -- new/")}
		}
		if err := o.Validate(); err != nil {
			return usageError{err}
		}
		old, err := report.Read(args[:at]...)
		if err != nil {
			return err
		}
		now, err := report.Read(args[at+1:]...)
		if err != nil {
			return err
		}
		c, err := compare.Compare(old, now, o)
		if err != nil {
			return err
		}
		if err := writeTo(*out, stdio.out, func(w io.Writer) error { return write(c, w) }); err != nil {
			return err
		}
		if *page != "" {
			if err := writeTo(*page, stdio.out, c.HTML); err != nil {
				return err
			}
		}
		err = c.Err()
		if errors.Is(err, compare.ErrUndecided) {
			return codedError{err, exitUndecided}
		}
		return err
	}
}
