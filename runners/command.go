package runners

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
)

// CommandRun is a command in a terminal: from the opening of the terminal to
// the command's end.
var CommandRun = harness.NewAction("command")

// maxOutput is how much of a command's output is looked at.
const maxOutput = 1 << 20

// CommandConfig is a command that is run in a web terminal of a workspace. A
// terminal tells no exit status, so success is what it shows, or that it ends.
type CommandConfig struct {
	// Command is run by the user's shell.
	Command string

	// Timeout is how long it may take. 0 means 5 s.
	Timeout time.Duration

	// ExpectTimeout is for a command that goes on: one that ends by itself has
	// failed.
	ExpectTimeout bool

	// ExpectOutput must appear in what it shows. Empty expects nothing.
	ExpectOutput string

	// LogOutput copies what it shows into the user's log.
	LogOutput bool
}

// Validate reports everything that is wrong with the configuration.
func (c CommandConfig) Validate() error {
	var errs []error
	if c.Command == "" {
		errs = append(errs, errors.New("command: it is empty"))
	}
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("command: Timeout is %v, want 0 (the default, 5s) or more", c.Timeout))
	}
	return errors.Join(errs...)
}

// run runs it and records how long it took.
func (c CommandConfig) run(ctx context.Context, rec *harness.Recorder, w Workspace) error {
	if err := w.Validate(); err != nil {
		return err
	}
	return rec.Do(ctx, CommandRun, func(ctx context.Context) error {
		shown, ended, err := c.output(ctx, w)
		if c.LogOutput {
			rec.Logf("%s: %s", c.Command, shown)
		}
		if err == nil {
			err = c.judge(shown, ended)
		}
		if err != nil {
			return fmt.Errorf("run %q in %s: %w", c.Command, w.Name, err)
		}
		return nil
	})
}

// judge decides whether it went as expected.
func (c CommandConfig) judge(shown string, ended bool) error {
	switch {
	case ended && c.ExpectTimeout:
		return errors.New("it ended, but was expected to go on" + excerpt(shown))
	case !ended && !c.ExpectTimeout:
		return fmt.Errorf("it did not end within %v%s", c.timeout(), excerpt(shown))
	case !strings.Contains(shown, c.ExpectOutput):
		return fmt.Errorf("it did not show %q%s", c.ExpectOutput, excerpt(shown))
	}
	return nil
}

func excerpt(shown string) string {
	if shown == "" {
		return ", and showed nothing"
	}
	return fmt.Sprintf(", but showed %.200q", shown)
}

func (c CommandConfig) timeout() time.Duration {
	if c.Timeout == 0 {
		return 5 * time.Second
	}
	return c.Timeout
}

// output is what the command shows until it ends, or until its time is over.
func (c CommandConfig) output(ctx context.Context, w Workspace) (shown string, ended bool, err error) {
	deadline := time.Now().Add(c.timeout())
	pty, err := w.Client.PTY(ctx, w.Agent.ID, coder.PTYOptions{Command: c.Command, Backend: "buffered"})
	if err != nil {
		return "", false, err
	}
	defer func() { _ = pty.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = pty.Close() }) // nothing else ends a write
	defer stop()
	if err := pty.SetReadDeadline(deadline); err != nil {
		return "", false, err
	}
	var seen []byte
	buf := make([]byte, 4096)
	for {
		n, err := pty.Read(buf)
		if room := maxOutput - len(seen); room > 0 {
			seen = append(seen, buf[:min(n, room)]...)
		}
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil:
			return string(seen), false, ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			if c.ExpectTimeout {
				_, _ = pty.Write([]byte(interrupt)) // or it goes on for another five minutes
			}
			return string(seen), false, nil
		}
		switch end := coder.PTYEnded(err); end {
		case coder.PTYExited, coder.PTYDropped: // servers up to 2.26 drop the connection then
			return string(seen), true, nil
		default:
			return string(seen), false, fmt.Errorf("%v: %w", end, err)
		}
	}
}
