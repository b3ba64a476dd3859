// Command scaletest-apps is the helper of the workspaces of deploy/templates. It
// serves the apps that load tests of apps go to:
//
//	wsec, port 8081: sends back what it is sent
//	wsra, port 8082: sends random bytes, -rate of them a second to each connection
//	wsdi, port 8083: drops what it is sent
//
// until it gets SIGTERM, which tells clients by close code 1001. It is one static
// file that needs nothing of the image it runs in: no shell, no cp, no curl.
//
//	scaletest-apps -install PATH   copies itself there: an init container takes it
//	                               from its own image to that of the workspace
//	scaletest-apps -wait 30s       waits until the apps are there
//	scaletest-apps -greedy-item    prints a metadata value of 4 KiB
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
	"time"

	"github.com/coderscale/scaletest/internal/install"
	"github.com/coderscale/scaletest/internal/trafficapps"
)

// defaultRate is 1 MiB/s: what is received can be held against it. Without a rate
// a test would measure how fast the workspace's own CPU is.
const defaultRate = 1 << 20

// options are the flags.
type options struct {
	host    string
	ports   []uint // of trafficapps.All
	rate    int
	install string
	wait    time.Duration
	greedy  bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run does what the flags say and returns the exit code: 1 for what went wrong, 2
// for flags that make no sense.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	o, err := parse(args, errs)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		_, _ = fmt.Fprintf(errs, "scaletest-apps: %v\n", err)
		return 2
	case o.greedy:
		err = greedyItem(out)
	case o.install != "":
		err = install.Self(o.install)
	case o.wait > 0:
		err = o.await(ctx)
	default:
		err = o.serve(ctx, out)
	}
	if err != nil {
		_, _ = fmt.Fprintf(errs, "scaletest-apps: %v\n", err)
		return 1
	}
	return 0
}

func parse(args []string, errs io.Writer) (options, error) {
	apps := trafficapps.All()
	o := options{ports: make([]uint, len(apps))}
	fs := flag.NewFlagSet("scaletest-apps", flag.ContinueOnError)
	fs.SetOutput(errs)
	fs.StringVar(&o.host, "host", "127.0.0.1", "the `address` to serve at; the agent comes from within the workspace")
	for i, app := range apps {
		fs.UintVar(&o.ports[i], app.Slug, uint(app.Port), "the `port` of "+app.Slug+"; 0 leaves it out")
	}
	fs.IntVar(&o.rate, "rate", defaultRate, "the `bytes` a second that wsra sends to each connection; 0 is as fast as they are taken")
	fs.StringVar(&o.install, "install", "", "copy this program to `path`, and end")
	fs.DurationVar(&o.wait, "wait", 0, "wait so long for the apps to be there, and end")
	fs.BoolVar(&o.greedy, "greedy-item", false, "print 3072 random bytes in base64, and end")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	var bad []error
	if fs.NArg() > 0 {
		bad = append(bad, fmt.Errorf("there is %q on the command line, want flags only", strings.Join(fs.Args(), " ")))
	}
	if err := (trafficapps.Config{Slug: trafficapps.Random, Rate: o.rate}).Validate(); err != nil {
		bad = append(bad, err)
	}
	if o.wait < 0 {
		bad = append(bad, fmt.Errorf("-wait is %s, want more than 0", o.wait))
	}
	taken, served := map[uint]string{}, false
	for i, port := range o.ports {
		slug := apps[i].Slug
		switch {
		case port == 0:
			continue
		case port > 65535:
			bad = append(bad, fmt.Errorf("-%s is %d, want a port from 1 to 65535, or 0 to leave the app out", slug, port))
		case taken[port] != "":
			bad = append(bad, fmt.Errorf("-%s is %d, which is the port of %s: want another", slug, port, taken[port]))
		}
		taken[port], served = slug, true
	}
	if !served {
		bad = append(bad, errors.New("every app is left out, want a port for one at least"))
	}
	return o, errors.Join(bad...)
}
