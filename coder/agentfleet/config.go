package agentfleet

import (
	"errors"
	"fmt"
	"time"

	"github.com/coderscale/scaletest/coder"
)

// Config describes a fleet.
type Config struct {
	// Client reaches the deployment. Agents use its connections' settings and
	// their own tokens; its own token is only used for what the methods of
	// [Pool] do.
	Client *coder.Client

	// Agents are played from the beginning. [Fleet.Connect] adds more.
	Agents []Agent

	// Metadata says what is sent of it. The zero value is what quiet workspaces
	// send; [Greedy] is the opposite.
	Metadata Metadata

	// Logs are the lines that agents write when they start.
	Logs Logs

	// Serving is how many of Agents, from the first on, serve terminals, SSH and
	// apps over the tailnet. [All] means all of them, and those that
	// [Fleet.Connect] adds too.
	Serving int

	// SubAgents is how many sub-agents each agent makes and the fleet plays too.
	// They are no workspaces, see the package. Servers have them from 2.26 on.
	SubAgents int

	// NoTailnet leaves out the two streams of the tailnet that agents hold.
	NoTailnet bool

	// ReportOff has agents report that they shut down when the fleet is closed,
	// as those of a workspace that is stopped do. Otherwise they just leave, as if
	// the power had failed.
	ReportOff bool

	// Handshakes is how many agents connect at the same time. 0 means 64.
	Handshakes int
}

// All is for Config.Serving.
const All = -1

const defaultHandshakes = 64

// Metadata is what agents send for the items that their template declares. Others
// can't be sent: the deployment refuses them.
type Metadata struct {
	// Off sends nothing.
	Off bool

	// Items is how many of the declared ones are sent. 0 means all.
	// Stats.ShortOfMetadata counts agents that have fewer.
	Items int

	// Bytes is the length of a value. 0 means 16. The server keeps 2 KiB of it and
	// reports an error with the rest, which is part of the load.
	Bytes int

	// Interval is the time between two values of an item. 0 means as declared.
	Interval time.Duration
}

// Greedy is what the most demanding templates send: 16 items of 4 KiB each second
// for each agent.
var Greedy = Metadata{Items: 16, Bytes: 4 << 10, Interval: time.Second}

const (
	defaultMetadataBytes = 16
	// maxMetadataBytes keeps a message of 64 items below the server's 4 MiB.
	maxMetadataBytes = 60 << 10
)

// Logs are lines that an agent writes when it starts. The deployment keeps 1 MiB
// for each agent, over all its starts.
type Logs struct {
	// Lines is how many. 0 means 3, and -1 none.
	Lines int
	// Bytes is the length of one. 0 means 80.
	Bytes int
}

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Client == nil {
		add("Client is nil, want a client of the deployment")
	}
	for i, a := range c.Agents {
		if a.Token.IsZero() {
			add("Agents[%d], %s, has no token", i, a)
		}
	}
	if c.Serving < All {
		add("Serving is %d, want a number of agents or All (-1)", c.Serving)
	} else if c.Serving > len(c.Agents) {
		add("Serving is %d, but there are only %d agents", c.Serving, len(c.Agents))
	}
	if c.SubAgents < 0 {
		add("SubAgents is %d, want 0 or more", c.SubAgents)
	}
	if c.Handshakes < 0 {
		add("Handshakes is %d, want 0 (64) or more", c.Handshakes)
	}
	m := c.Metadata
	if m.Items < 0 {
		add("Metadata.Items is %d, want 0 (all) or more", m.Items)
	}
	if m.Bytes < 0 || m.Bytes > maxMetadataBytes {
		add("Metadata.Bytes is %d, want 0 (%d) to %d", m.Bytes, defaultMetadataBytes, maxMetadataBytes)
	}
	if m.Interval != 0 && m.Interval < 10*time.Millisecond {
		add("Metadata.Interval is %v, want 0 (as declared) or at least 10ms", m.Interval)
	}
	if c.Logs.Lines < -1 {
		add("Logs.Lines is %d, want -1 (none), 0 (3) or more", c.Logs.Lines)
	}
	if c.Logs.Bytes < 0 || c.Logs.Bytes > maxLogLine {
		add("Logs.Bytes is %d, want 0 (80) to %d", c.Logs.Bytes, maxLogLine)
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	if c.Handshakes == 0 {
		c.Handshakes = defaultHandshakes
	}
	if c.Metadata.Bytes == 0 {
		c.Metadata.Bytes = defaultMetadataBytes
	}
	if c.Logs.Lines == 0 {
		c.Logs.Lines = 3
	}
	if c.Logs.Bytes == 0 {
		c.Logs.Bytes = 80
	}
	return c
}
