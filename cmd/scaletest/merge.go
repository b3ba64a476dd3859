package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report"
)

// merging makes one result of those of a run's shards.
func merging(fs *flag.FlagSet) action {
	var o harness.MergeOptions
	format := fs.String("format", "result", "one of "+strings.Join(report.Formats(), ", ")+"; result can be merged again")
	out := fs.String("o", "", "`path` of the file to write (default standard output); with -after-job, "+jobUID+" in any path is the UID of that Job")
	fs.BoolVar(&o.AllowMissing, "allow-missing", false, "let shards be missing or partial, with a warning; the verdict is invalid otherwise")
	var after afterJob
	after.flags(fs)
	return func(ctx context.Context, args []string, stdio streams) error {
		if !slices.Contains(report.Formats(), *format) {
			return usageError{fmt.Errorf("-format is %q, want one of %s", *format, strings.Join(report.Formats(), ", "))}
		}
		if err := after.mistakes(fs); err != nil {
			return usageError{err}
		}
		uid, err := after.over(ctx, stdio.err)
		if err != nil {
			return err
		}
		results, err := report.Read(ofJob(uid, args...)...)
		if err != nil {
			return err
		}
		whole, err := harness.Merge(o, results...)
		if err != nil {
			return err
		}
		if err := writeTo(ofJob(uid, *out)[0], stdio.out, func(w io.Writer) error { return report.Write(w, *format, whole) }); err != nil {
			return err
		}
		return verdictError("", whole.Verdict, []string{strings.Join(whole.Reasons, "; ")})
	}
}
