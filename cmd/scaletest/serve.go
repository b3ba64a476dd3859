package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/coderscale/scaletest/coder/codertest"
)

// serve runs an embedded deployment. What it prints can be read by a shell:
//
//	scaletest serve -workspaces 200 >env & ... set -a; . ./env
func serve(fs *flag.FlagSet) action {
	var cfg codertest.Config
	fs.StringVar(&cfg.Addr, "addr", "", "listen on this `host:port` (default a free port on loopback)")
	fs.IntVar(&cfg.Workspaces, "workspaces", 200, "running workspaces, named scaletest-0 and so on")
	fs.IntVar(&cfg.Users, "users", 0, "members who own the workspaces in turn (default: the owner of the deployment owns them)")
	fs.StringVar(&cfg.Version, "deployment-version", "", "what the deployment says it is (default v2.37.0)")
	fs.IntVar(&cfg.RateLimit, "rate-limit", 0, "requests a minute for each user and path: 0 is what a real server has, 512, and -1 no limit")
	fs.IntVar(&cfg.LoginRateLimit, "login-rate-limit", 0, "logins a minute for each address: 0 is what a real server has, 60, and -1 no limit")
	fs.IntVar(&cfg.Provisioners, "provisioners", 0, "builds that run at a time (default 3)")
	fs.Var((*timeRange)(&cfg.BuildTime), "build-time", "how long a build takes, as `time` or min..max (default 1s..2s)")
	fs.Var((*timeRange)(&cfg.AgentTime), "agent-time", "`time` or min..max from the end of a build to a ready agent (default none)")
	fs.Float64Var(&cfg.BuildFailureRate, "build-failure-rate", 0, "`fraction` of builds that fail, from 0 to 1")
	fs.IntVar(&cfg.Replicas, "replicas", 1, "servers that share the connections")
	fs.Uint64Var(&cfg.Seed, "seed", 0, "decides everything random")
	withParent := fs.Bool("exit-with-parent", false, "end when the process that started this one is gone")

	return func(ctx context.Context, _ []string, stdio streams) error {
		parent := os.Getppid()
		if err := cfg.Validate(); err != nil {
			return usageError{err}
		}
		server, err := codertest.New(cfg)
		if err != nil {
			return err
		}
		defer server.Close()
		if _, err := fmt.Fprintf(stdio.out, "CODER_URL=%s\nCODER_SESSION_TOKEN=%s\n", server.URL(), server.OwnerToken()); err != nil {
			return err // nobody will ever know where it is
		}
		if *withParent {
			var cancel context.CancelFunc
			ctx, cancel = untilOrphaned(ctx, parent)
			defer cancel()
		}
		<-ctx.Done()
		return nil
	}
}

// untilOrphaned ends the context when this process has another parent. There
// is no event for that on all systems, so it looks a few times a second.
func untilOrphaned(ctx context.Context, parent int) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if os.Getppid() != parent {
					cancel()
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, cancel
}
