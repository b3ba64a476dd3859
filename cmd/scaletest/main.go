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

// action does the work of a subcommand, with what is not flags. A [usageError] means that it was asked
// for something that makes no sense.
type action func(ctx context.Context, args []string, stdio streams) error

// streams are where a command writes: out is for programs, err for people.
type streams struct{ out, err io.Writer }

func commands() []command {
	return []command{
		{"agents", "play the agents of workspaces that have no machine", "", agents},
		{"campaign", "run a whole scale test, from creation to cleanup, and show how it goes", "CONFIG", campaigning},
		{"cleanup", "delete what scale tests have left on a deployment", "", cleanup},
		{"collect", "be where the shards of a run meet, and make one result of theirs", "", collecting},
		{"compare", "hold runs of now against runs of before", "OLD... -- NEW...", comparing},
		{"install", "copy this program and others beside it to a folder", "FOLDER [NAME...]", installing},
		{"live", "serve a page that follows the stream of a run", "STREAM", following},
		{"merge", "make one result of those of the shards of a run", "FILE|FOLDER...", merging},
		{"report", "make a report of results, or of the stream of a run that was killed", "FILE|FOLDER...", reporting},
		{"serve", "run an embedded Coder deployment until it is stopped", "", serve},
		{"version", "print the version", "", version},
	}
}

// codedError has an exit code of its own.
type codedError struct {
	error
	code int
}

func (e codedError) Unwrap() error { return e.error }

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
	rest, err := parse(fs, args)
	if errors.Is(err, flag.ErrHelp) {
		c.help(fs, stdio.out)
		return exitOK
	}
	if err == nil && len(rest) > 0 && c.args == "" {
		err = fmt.Errorf("unexpected argument %q", rest[0])
	}
	if err != nil {
		err = usageError{fmt.Errorf("%w: see scaletest help %s", err, c.name)}
	} else {
		err = do(ctx, rest, stdio)
	}
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stdio.err, "scaletest %s: %s\n", c.name, strings.ReplaceAll(err.Error(), "\n", "; "))
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if coded, ok := errors.AsType[codedError](err); ok {
		return coded.code
	}
	return exitError
}

// parse takes flags from among the arguments, and returns the others. "--" is one
// of those: it parts them.
func parse(fs *flag.FlagSet, args []string) (rest []string, err error) {
	for len(args) > 0 {
		if args[0] == "--" || args[0] == "-" || !strings.HasPrefix(args[0], "-") {
			rest, args = append(rest, args[0]), args[1:]
			continue
		}
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		left := fs.Args()
		if before := args[len(args)-len(left)-1]; before == "--" { // Parse has taken it
			left = args[len(args)-len(left)-1:]
		}
		args = left
	}
	return rest, nil
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
	fmt.Fprint(w, explained[c.name])
}

// explained is what a command takes beyond its flags, for the end of its help.
var explained = map[string]string{"campaign": campaignHelp}
