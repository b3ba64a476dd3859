package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/coderscale/scaletest/internal/collector"
	"github.com/coderscale/scaletest/report"
)

// collecting is where the shards of a run meet, and makes one result of theirs.
func collecting(fs *flag.FlagSet) action {
	var cfg collector.Config
	fs.IntVar(&cfg.Shards, "shards", 0, "how many shards the run has")
	fs.StringVar(&cfg.Dir, "o", "collected", "`folder` for what they measure, and the results")
	listen := fs.String("listen", "127.0.0.1:21113", "`address` to serve them at, as CODER_SCALETEST_COLLECTOR=http://address; port 0 is any free one")
	fs.DurationVar(&cfg.MeetTimeout, "wait", 0, "how long the first shards wait for the others to come (default 15m)")
	fs.DurationVar(&cfg.Silence, "silence", 0, "how long a shard may say nothing before it is given up (default 1m)")
	fs.DurationVar(&cfg.Linger, "linger", 0, "how long all must be silent at their end before nothing more is waited for (default 15s)")
	fs.StringVar(&cfg.RunID, "run", "", "`ID` of the run (default that of the first shard that comes)")
	fs.BoolVar(&cfg.Resume, "resume", false, "go on with a run whose results are in the folder already, as when this was ended before its time")
	keep := fs.Duration("keep", 0, "go on serving the reports for so long at the end, or until Ctrl-C")
	return func(ctx context.Context, _ []string, stdio streams) error {
		cfg.Logf = log.New(stdio.err, "", log.Ltime).Printf
		if err := cfg.Validate(); err != nil || *keep < 0 {
			return usageError{errors.Join(err, negative("-keep", *keep))}
		}
		server, err := collector.New(cfg)
		if err != nil {
			return err
		}
		listener, err := net.Listen("tcp", *listen)
		if err != nil {
			return fmt.Errorf("collect from shards: %w", err)
		}
		web := &http.Server{Handler: server, ReadHeaderTimeout: 10 * time.Second}
		served := make(chan error, 1)
		go func() { served <- web.Serve(listener) }()
		fmt.Fprintf(stdio.out, "CODER_SCALETEST_COLLECTOR=http://%s\n", listener.Addr())
		runs, err := server.Wait(ctx)
		err = worst(err, writeRuns(stdio.out, runs))
		if *keep > 0 && ctx.Err() == nil {
			fmt.Fprintf(stdio.out, "the reports are at http://%s for %v\n", listener.Addr(), *keep)
			wait(ctx, *keep)
		}
		end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = web.Shutdown(end) // who still asks has been answered
		<-served
		return err
	}
}

// writeRuns writes the result and the report of each run, and says where. The error is
// of those that did not pass.
func writeRuns(out io.Writer, runs []collector.Run) error {
	var errs []error
	for _, r := range runs {
		path, err := r.WriteFile()
		html := filepath.Join(r.Dir, "report.html")
		if err == nil {
			err = writeTo(html, nil, func(w io.Writer) error { return report.HTML(w, r.Result) })
		}
		if err == nil {
			err = report.Write(out, "text", r.Result)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.Name, err))
			continue
		}
		fmt.Fprintf(out, "%-12s%s\n%-12s%s\n", "result", path, "report", html)
		errs = append(errs, verdictError(r.Name, r.Result.Verdict, r.Result.Reasons))
	}
	return worst(errs...)
}

func negative(name string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("%s is %v, want 0 or more", name, d)
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
