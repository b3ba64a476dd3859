// Command scaletest is the command line of the scale tests. It is thin: each
// subcommand is flags and one call of the library.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// command is a subcommand. Its setup declares the flags and returns what runs
// once they are parsed.
type command struct {
	name, summary string
	args          string // what it takes beside flags; "" is nothing
	setup         func(fs *flag.FlagSet) action
}

// action does the work of a subcommand. A [usageError] means that it was asked
// for something that makes no sense.
type action func(ctx context.Context, stdio streams) error

// streams are where a command writes: out is for programs, err for people.
type streams struct{ out, err io.Writer }

func commands() []command {
	return []command{
		{"agents", "play the agents of workspaces that have no machine", "", agents},
		{"cleanup", "delete what scale tests have left on a deployment", "", cleanup},
		{"live", "serve a page that follows the stream of a run", "STREAM", following},
		{"report", "make a report of results, or of the stream of a run that was killed", "FILE|FOLDER...", reporting},
		{"serve", "run an embedded Coder deployment until it is stopped", "", serve},
		{"version", "print the version", "", version},
	}
}

// usageError is the mistake of whoever typed the command.
type usageError struct{ error }

const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// run finds the command and returns the exit code.
func run(ctx context.Context, args []string, stdio streams) int {
	if len(args) == 0 {
		help(stdio.err)
		return exitUsage
	}
	name, args := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		if len(args) == 0 {
			help(stdio.out)
			return exitOK
		}
		name, args = args[0], []string{"-h"}
	case "-version", "--version":
		name = "version"
	}
	for _, c := range commands() {
		if c.name == name {
			return c.run(ctx, args, stdio)
		}
	}
	fmt.Fprintf(stdio.err, "scaletest: there is no command %q: see scaletest help\n", name)
	return exitUsage
}

func (c command) run(ctx context.Context, args []string, stdio streams) int {
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // the flag package would print all flags after an error
	do := c.setup(fs)
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		c.help(fs, stdio.out)
		return exitOK
	}
	if err == nil && fs.NArg() > 0 && c.args == "" {
		err = fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if err != nil {
		err = usageError{fmt.Errorf("%w: see scaletest help %s", err, c.name)}
	} else {
		err = do(ctx, stdio)
	}
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stdio.err, "scaletest %s: %s\n", c.name, strings.ReplaceAll(err.Error(), "\n", "; "))
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitError
}

func help(w io.Writer) {
	fmt.Fprint(w, "Usage: scaletest <command> [flags]\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-10s %s\n", c.name, c.summary)
	}
	fmt.Fprintf(w, "  %-10s %s\n", "help", "print this, or the flags of a command")
}

func (c command) help(fs *flag.FlagSet, w io.Writer) {
	fmt.Fprintf(w, "Usage: scaletest %s\n\n%s%s.\n", strings.TrimSpace(c.name+" [flags] "+c.args), strings.ToUpper(c.summary[:1]), c.summary[1:])
	fs.SetOutput(w)
	fs.PrintDefaults()
}
