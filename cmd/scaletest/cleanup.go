package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/coderscale/scaletest"
)

// cleanup deletes what scale tests have left behind.
func cleanup(fs *flag.FlagSet) action {
	var o scaletest.CleanupOptions
	fs.StringVar(&o.Run, "run", "", "delete only what the run with this `ID` has made; a UUID is the one that an ID was made of")
	fs.StringVar(&o.Ledger, "ledger", "", "`path` of a ledger, or of a folder that has ledgers in it or further down (default CODER_SCALETEST_ARTIFACTS, or the user's cache folder)")
	fs.BoolVar(&o.All, "all", false, "delete everything that carries the names of scale tests, or with -run of that run, whoever made it")
	fs.BoolVar(&o.Orphan, "orphan", false, "delete the record of a workspace that can't be deleted otherwise, and leave what it stands for")
	fs.BoolVar(&o.Force, "force", false, "also clean up after a run that is still going on")
	fs.BoolVar(&o.DryRun, "dry-run", false, "say what would be deleted, and delete nothing")
	yes := fs.Bool("yes", false, "with -all, don't ask")
	template := fs.String("template", "", "with -all, only workspaces of the template with this `name` or ID (default CODER_SCALETEST_CLEANUP_TEMPLATE)")
	atATime := fs.Int("concurrency", 0, "`number` of deletions at the same time (default CODER_SCALETEST_CLEANUP_CONCURRENCY, or 1)")
	timeout := fs.Duration("timeout", 0, "time for all deletions, 0 is no limit (default CODER_SCALETEST_CLEANUP_TIMEOUT, or 30m)")
	var after afterJob
	after.flags(fs)
	jobTimeout := fs.Duration("job-timeout", 0, "time for one deletion, 0 is no limit (default CODER_SCALETEST_CLEANUP_JOB_TIMEOUT, or 5m)")

	return func(ctx context.Context, _ []string, stdio streams) error {
		given := map[string]bool{}
		fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
		if err := errors.Join(mistakes(o, given, *atATime, *timeout, *jobTimeout), after.mistakes(fs)); err != nil {
			return usageError{err}
		}
		cfg, err := scaletest.ConfigFromEnv(environment())
		if err != nil {
			return err
		}
		if given["template"] {
			cfg.CleanupTemplate = *template
		}
		if given["concurrency"] {
			cfg.CleanupConcurrency = *atATime
		}
		if given["timeout"] {
			cfg.CleanupTimeout = *timeout
		}
		if given["job-timeout"] {
			cfg.CleanupJobTimeout = *jobTimeout
		}
		o.Out = stdio.out
		if !*yes {
			o.Confirm = func(question string) error { return confirm(question, os.Stdin, stdio.err) }
		}
		if uid, err := after.over(ctx, stdio.out); err != nil {
			return err
		} else if uid != "" {
			o.Run = uid
		}
		report, err := scaletest.Cleanup(ctx, cfg, o)
		tried := len(report.Deleted)+len(report.Orphaned)+len(report.Left) > 0
		if o.DryRun || cfg.DryRun || err != nil && !tried {
			return err
		}
		if _, werr := fmt.Fprintln(stdio.out, report); werr != nil {
			return errors.Join(err, werr)
		}
		if n := len(report.Left); n > 0 {
			err = errors.Join(fmt.Errorf("%d could not be deleted: repeat it when the cause is gone", n), err)
		}
		return err
	}
}

func mistakes(o scaletest.CleanupOptions, given map[string]bool, atATime int, timeout, jobTimeout time.Duration) error {
	var errs []error
	if o.All && o.Ledger != "" {
		errs = append(errs, errors.New("-all excludes -ledger"))
	}
	if !o.All && given["template"] {
		errs = append(errs, errors.New("-template needs -all: ledgers don't know templates"))
	}
	if given["concurrency"] && atATime < 1 {
		errs = append(errs, fmt.Errorf("-concurrency is %d, want 1 or more", atATime))
	}
	if timeout < 0 || jobTimeout < 0 {
		errs = append(errs, errors.New("a timeout is negative, want 0 (no limit) or more"))
	}
	return errors.Join(errs...)
}

// confirm asks a person. Without one there is no answer.
func confirm(question string, in *os.File, out io.Writer) error {
	if !terminal(in) {
		return errors.New("there is nobody to ask, because the input is not a terminal: look with -dry-run, then say -yes")
	}
	if _, err := fmt.Fprintf(out, "%s [y/N] ", question); err != nil {
		return err
	}
	return answered(in)
}

// terminal reports whether there can be a person at the other end.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// answered reads yes or something else.
func answered(in io.Reader) error {
	line, err := bufio.NewReader(in).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	case "":
		if err != nil {
			return errors.New("nobody answered, nothing was deleted: look with -dry-run, then say -yes")
		}
	}
	return errors.New("nothing was deleted")
}
