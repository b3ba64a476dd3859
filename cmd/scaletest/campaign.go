package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/internal/campaign"
)

// campaignHelp shows the least that a configuration can be.
const campaignHelp = `
CONFIG is a file such as this one, whose binary is what
'go test -tags scaletest -c -o scaletest.test .' compiles:

  {
    "results": "results",
    "binary": "./scaletest.test",
    "template": "small",
    "workspaces": 10,
    "loads": [{"kind": "terminal", "duration": "10m"}]
  }

The deployment is that of CODER_URL and CODER_SESSION_TOKEN. Add "dry_run": true to see
what would be done. docs/campaigns.md has all keys and what they do:
https://github.com/coderscale/scaletest/blob/main/docs/campaigns.md

Exit codes: 0 is pass, 1 error, 2 a mistake in the command, 3 fail, 4 invalid, 5 interrupted.
`

// campaigning drives a whole scale test, or stops one.
func campaigning(fs *flag.FlagSet) action {
	listen := fs.String("listen", "127.0.0.1:8080", "`address` of the page; port 0 is any free one, and \"\" none")
	exit := fs.Bool("exit", false, "end when the campaign does; else the page is served until Ctrl-C or SIGTERM")
	stop := fs.Bool("stop", false, "end the campaign that goes on, wait for it, and clean up if its strategy is on_stop or always")
	limit := fs.Duration("timeout", 30*time.Minute, "with -stop, time for all of it")
	return func(ctx context.Context, args []string, stdio streams) error {
		if len(args) != 1 {
			return usageError{errors.New("want one file with the configuration of the campaign")}
		}
		if *limit <= 0 {
			return usageError{fmt.Errorf("-timeout is %v, want more than 0", *limit)}
		}
		cfg, err := campaign.ReadConfig(args[0])
		if err != nil {
			return err
		}
		if cfg.URL == "" {
			cfg.URL = os.Getenv("CODER_URL")
		}
		if err := os.Setenv("CODER_URL", cfg.URL); err != nil { // for all that read it, children included
			return err
		}
		means := campaign.Means{
			Clean: cleanLedgers, Check: preflight, Out: stdio.out,
			GrafanaToken: secretOf(campaign.EnvGrafanaToken), WebhookURL: secretOf(campaign.EnvWebhookURL),
		}
		if *stop {
			ctx, cancel := context.WithTimeout(ctx, *limit)
			defer cancel()
			return campaign.Stop(ctx, cfg, means)
		}
		return runCampaign(ctx, cfg, means, *listen, *exit, stdio.out)
	}
}

// secretOf is the value of a variable without the end of a line, which a file that a
// Secret was made of often has.
func secretOf(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// runCampaign serves the page while the campaign runs, and afterwards until it is
// told to stop.
func runCampaign(ctx context.Context, cfg campaign.Config, means campaign.Means, listen string, exit bool, out io.Writer) (err error) {
	c, err := campaign.Open(cfg, means)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if listen != "" {
		listener, lerr := net.Listen("tcp", listen)
		if lerr != nil {
			return fmt.Errorf("serve the page of the campaign: %w: want another -listen", lerr)
		}
		web := &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
		served := make(chan error, 1)
		go func() { served <- web.Serve(listener) }()
		defer func() {
			_ = web.Close() // whoever still asks sees that it has ended
			<-served
		}()
		fmt.Fprintf(out, "%-14s http://%s/\n", "page", listener.Addr())
	}
	ended := make(chan struct{})
	again := make(chan os.Signal, 1)
	go func() {
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		// The signal that has ended ctx is over: this hears the next one.
		signal.Notify(again, os.Interrupt, syscall.SIGTERM)
		defer signal.Stop(again)
		select {
		case <-ended:
		case <-again:
			c.Kill()
		}
	}()
	outcome := c.Run(ctx)
	close(ended)
	if listen != "" && !exit && ctx.Err() == nil {
		fmt.Fprintln(out, "the page is there until this program is stopped")
		<-ctx.Done()
	}
	return verdictError("", outcome.Verdict, outcome.Reasons)
}

// cleanLedgers deletes what ledgers of a folder say, on the deployment of the
// environment.
func cleanLedgers(ctx context.Context, job campaign.CleanJob) error {
	cfg, err := scaletest.ConfigFromEnv(environment())
	if err != nil {
		return err
	}
	cfg.CleanupConcurrency = job.Concurrency
	report, err := scaletest.Cleanup(ctx, cfg, scaletest.CleanupOptions{Ledger: job.Ledgers, DryRun: job.DryRun, Out: job.Out})
	if err == nil && len(report.Left) > 0 {
		err = fmt.Errorf("%d could not be deleted, such as %v", len(report.Left), report.Left[0])
	}
	return err
}

// preflight looks whether the deployment is there, and whether the token may do what
// a campaign does.
func preflight(ctx context.Context) error {
	if _, err := scaletest.ConfigFromEnv(environment()); err != nil {
		return err
	}
	address := os.Getenv("CODER_URL")
	if address == "" {
		return errors.New("there is no deployment: want its address as url in the configuration, or in CODER_URL, and a token in CODER_SESSION_TOKEN")
	}
	client, err := coder.New(coder.Config{URL: address, Token: secretOf("CODER_SESSION_TOKEN")})
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	found, err := client.Preflight(ctx, coder.PreflightOptions{})
	if err == nil && !found.Owner {
		err = fmt.Errorf("the token of %s may not create users: use the token of a site owner", found.User.Username)
	}
	return err
}
