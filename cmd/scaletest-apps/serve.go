package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coderscale/scaletest/internal/trafficapps"
)

// goodbye is how long clients have to answer when the apps end. It is shorter than
// the time that a pod has.
const goodbye = 5 * time.Second

func (o options) address(port uint) string {
	return net.JoinHostPort(o.host, strconv.FormatUint(uint64(port), 10))
}

// serve serves the apps until ctx is done.
func (o options) serve(ctx context.Context, out io.Writer) error {
	var (
		servers  []*http.Server
		handlers []*trafficapps.Handler
		says     []string
		wg       sync.WaitGroup
	)
	failed := make(chan error, len(o.ports))
	end := func() {
		// Also when ctx is done, which it is.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
		var ending sync.WaitGroup
		for i := range servers {
			ending.Go(func() {
				handlers[i].GoAway(ctx)
				_ = servers[i].Shutdown(ctx) // what does not end goes with the process
				_ = servers[i].Close()       // as above
			})
		}
		ending.Wait()
		wg.Wait()
	}
	for i, app := range trafficapps.All() {
		port := o.ports[i]
		if port == 0 {
			continue
		}
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.address(port))
		if err != nil {
			end()
			return fmt.Errorf("app %s: %w: end what has the port, or give -%s and the template another", app.Slug, err, app.Slug)
		}
		h := trafficapps.New(trafficapps.Config{Slug: app.Slug, Rate: o.rate})
		srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
		handlers, servers = append(handlers, h), append(servers, srv)
		says = append(says, app.Slug+" at "+l.Addr().String())
		wg.Go(func() {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("app %s: %w: it takes no connections any more, start it again", app.Slug, err)
			}
		})
	}
	_, _ = fmt.Fprintf(out, "serving %s\n", strings.Join(says, ", ")) // it serves even if nobody reads it
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	end()
	if err == nil {
		_, _ = fmt.Fprintln(out, "ended") // as above
	}
	return err
}

// await waits until all apps say that they are well.
func (o options) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for i, app := range trafficapps.All() {
		if o.ports[i] == 0 {
			continue
		}
		url := "http://" + o.address(o.ports[i]) + "/healthz"
		for {
			err := healthy(ctx, client, url)
			if err == nil {
				break
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
				return fmt.Errorf("app %s is not there after %s: %w: see the log of scaletest-apps", app.Slug, o.wait, err)
			}
		}
	}
	return nil
}

func healthy(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return nil
}
