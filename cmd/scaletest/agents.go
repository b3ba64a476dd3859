package main

import (
	"context"
	"flag"
	"time"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder/agentfleet"
)

// agents plays the agents of workspaces without machines.
func agents(fs *flag.FlagSet) action {
	var o scaletest.AgentsOptions
	fs.IntVar(&o.Count, "count", 10, "workspaces whose agents are played; those that are missing are made, and stay for the next time")
	greedy := fs.Bool("greedy", false, "send 16 metadata items of 4 KiB each second, unless the next two say otherwise")
	size := fs.Int("metadata-bytes", 0, "length of a metadata value in `bytes` (default 16)")
	every := fs.Duration("metadata-interval", 0, "`time` between two values of an item (default as the template declares)")
	fs.IntVar(&o.Serve, "serve", 0, "`number` of agents that also serve terminals, SSH and apps over the tailnet, -1 is all")
	fs.IntVar(&o.SubAgents, "sub-agents", 0, "`number` of sub-agents for each agent: they load sockets and reports, and are no workspaces")
	fs.StringVar(&o.Template, "template", "", "`name` of the template, which is uploaded if it is not there (default scaletest-simulated)")
	fs.StringVar(&o.Prefix, "prefix", "", "`beginning` of the workspaces' names (default scaletest-sim)")
	fs.BoolVar(&o.Delete, "delete", false, "delete the workspaces of the pool, and play nothing")
	fs.IntVar(&o.AtATime, "concurrency", 0, "`number` of workspaces that are built or deleted at the same time (default 16)")
	fs.DurationVar(&o.For, "for", 0, "how long, once all are ready; 0 is until it is stopped")
	fs.BoolVar(&o.ReportOff, "report-off", false, "report at the end that the agents shut down, as those of a stopped workspace do")
	fs.DurationVar(&o.Heartbeat, "heartbeat", 5*time.Second, "`time` between two lines of how it goes")

	return func(ctx context.Context, _ []string, stdio streams) error {
		if *greedy {
			o.Metadata = agentfleet.Greedy
		}
		if *size != 0 {
			o.Metadata.Bytes = *size
		}
		if *every != 0 {
			o.Metadata.Interval = *every
		}
		o.Out = stdio.out
		if err := o.Validate(); err != nil {
			return usageError{err}
		}
		cfg, err := scaletest.ConfigFromEnv(environment())
		if err != nil {
			return err
		}
		_, err = scaletest.PlayAgents(ctx, cfg, o)
		return err
	}
}
