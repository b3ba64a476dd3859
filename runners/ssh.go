package runners

import (
	"errors"
	"fmt"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

// The metrics of [SSHConfig], besides the counters that [Terminal] has too.
var (
	// SSHDial is the way to the agent's SSH server, and SSHHandshake what SSH
	// adds to it before a session can be opened.
	SSHDial      = harness.NewAction("ssh_dial")
	SSHHandshake = harness.NewAction("ssh_handshake")
	// SSHSession is the opening of a session in which the load is made.
	SSHSession = harness.NewAction("ssh_session")
	// SSHEcho is a tick's round trip, measured as [Echo] is.
	SSHEcho = harness.NewAction("ssh_echo")
	// SSHExec is a command: its session, its output and its exit status.
	SSHExec = harness.NewAction("ssh_exec")
	// SSHShell is a shell in a terminal, from its session to the answer to the
	// first command typed into it, and to its end.
	SSHShell = harness.NewAction("ssh_shell")
	// SSHUpload and SSHDownload move SSHConfig.Bytes in one direction.
	SSHUpload   = harness.NewAction("ssh_upload")
	SSHDownload = harness.NewAction("ssh_download")
)

// SSHMode is what is done over SSH.
type SSHMode string

// Modes of [SSHConfig].
const (
	// SSHEchoMode sends a load to a process that returns it, and compares it, as
	// Coder's own utility does.
	SSHEchoMode SSHMode = "echo"
	// SSHTerminalMode types a load into a terminal and compares its echo.
	SSHTerminalMode SSHMode = "terminal"
	// SSHExecMode runs a command at each iteration.
	SSHExecMode SSHMode = "exec"
	// SSHShellMode opens a shell in a terminal at each iteration, types a command
	// and looks at its answer.
	SSHShellMode SSHMode = "shell"
	// SSHBulkMode sends SSHConfig.Bytes at each iteration, and receives as many,
	// as a file copy does.
	SSHBulkMode SSHMode = "bulk"
)

// SSHConfig configures SSH users. [SSH] is the short form.
//
// What one does: it connects to the SSH server of its workspace's agent, keeps
// that connection, and does one of several things over it, see [SSHMode]. A load
// that is echoed is compared byte by byte, with every tick's round trip measured
// from the instant at which it was meant to be sent. A connection that is lost
// is made again, with a new session, and to another agent if the workspace was
// built anew.
//
// Metrics: ssh_dial, ssh_handshake; ssh_session and ssh_echo (with its lag and
// throughput), ssh_exec, ssh_shell, or ssh_upload and ssh_download; reconnect;
// the counters bytes_sent, bytes_received, bytes_foreign, echoes_lost,
// echoes_corrupt, ticks_blocked, ticks_disconnected, ticks_late, reconnects.
//
// Its cleanup closes the connection. It creates nothing on the deployment.
type SSHConfig struct {
	// Workspaces are connected to: user i to workspace i.
	Workspaces []Workspace

	// Dialer reaches their SSH servers.
	Dialer Dialer

	// Mode is what is done. Empty is [SSHEchoMode].
	Mode SSHMode

	// Load is what is sent in the modes echo and terminal.
	Load traffic.Load

	// Command is run in mode exec. Empty is "true". It must end with exit status
	// 0, and ExpectOutput must appear in its output.
	Command, ExpectOutput string

	// Bytes are moved in each direction in mode bulk. 0 means 16 MiB.
	Bytes int64

	// Share lets users share workspaces when there are more users.
	Share bool

	// Seed decides the content. 0 takes the run's.
	Seed uint64

	// Burst is how many ticks may wait for being sent. 0 means 64.
	Burst int

	// Pacer configures the pacer that all sessions share.
	Pacer traffic.PacerConfig

	// NoReconnect makes a lost connection a failure.
	NoReconnect bool

	// DialTimeout bounds the dialing and the handshake. 0 means 30 s.
	DialTimeout time.Duration

	// ReconnectTimeout bounds the attempts after a loss. 0 means 30 s.
	ReconnectTimeout time.Duration

	// DrainTimeout bounds the wait for the last echoes. 0 means 5 s.
	DrainTimeout time.Duration
}

// SSH makes runners that send a load over SSH and compare its echo, see
// [SSHConfig]. It is SSHConfig{Workspaces: w, Dialer: d, Load: load}.Runner().
func SSH(workspaces []Workspace, d Dialer, load traffic.Load) func(user int) (harness.Runner, error) {
	return SSHConfig{Workspaces: workspaces, Dialer: d, Load: load}.Runner()
}

// pumps reports whether a load is sent.
func (c SSHConfig) pumps() bool { return c.Mode == SSHEchoMode || c.Mode == SSHTerminalMode }

// Validate reports everything that is wrong with the configuration.
func (c SSHConfig) Validate() error {
	c = c.withDefaults()
	errs := []error{c.Pacer.Validate()}
	if c.Dialer == nil {
		errs = append(errs, errors.New("ssh: there is no dialer"))
	}
	switch c.Mode {
	case SSHEchoMode, SSHTerminalMode:
		errs = append(errs, c.Load.Validate())
	case SSHExecMode, SSHShellMode, SSHBulkMode:
	default:
		errs = append(errs, fmt.Errorf("ssh: the mode is %q, want echo, terminal, exec, shell or bulk", c.Mode))
	}
	if c.Bytes < 0 || c.Burst < 0 {
		errs = append(errs, errors.New("ssh: Bytes or Burst is negative, want 0 (the default) or more"))
	}
	if c.DialTimeout < 0 || c.ReconnectTimeout < 0 || c.DrainTimeout < 0 {
		errs = append(errs, errors.New("ssh: a timeout is negative, want 0 (the default) or more"))
	}
	return errors.Join(errs...)
}

func (c SSHConfig) withDefaults() SSHConfig {
	if c.Mode == "" {
		c.Mode = SSHEchoMode
	}
	if c.Command == "" {
		c.Command = "true"
	}
	if c.Bytes == 0 {
		c.Bytes = 16 * traffic.MiB
	}
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{{&c.DialTimeout, 30 * time.Second}, {&c.ReconnectTimeout, 30 * time.Second}, {&c.DrainTimeout, 5 * time.Second}} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	return c
}

// Runner returns what harness.Scenario.Runner takes. The users that it makes
// share a pump.
func (c SSHConfig) Runner() func(user int) (harness.Runner, error) {
	err := c.Validate()
	c = c.withDefaults()
	g := &sshGroup{cfg: c}
	g.pumping = pumping{action: SSHEcho, config: g.pump}
	return func(user int) (harness.Runner, error) {
		if err != nil {
			return nil, err
		}
		w, err := pick(c.Workspaces, user, c.Share)
		if err != nil {
			return nil, err
		}
		return &sshUser{group: g, workspace: w}, nil
	}
}

// sshGroup is what the SSH users of a scenario share.
type sshGroup struct {
	pumping
	cfg SSHConfig
}

func (g *sshGroup) pump(seed uint64) traffic.PumpConfig {
	return traffic.PumpConfig{
		Load:    g.cfg.Load,
		Payload: traffic.PayloadConfig{Seed: seed, CRLF: g.cfg.Mode == SSHTerminalMode},
		Burst:   g.cfg.Burst,
		Pacer:   g.cfg.Pacer,
	}
}
