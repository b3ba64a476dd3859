package scaletest

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report/live"
)

// livePage is the page that follows a run. Nil is none.
type livePage struct {
	server *live.Server
	run    atomic.Pointer[harness.Run]
}

// serveLive serves what the plan will do, if the environment asks for it.
func (t *Target) serveLive(plan *harness.Plan, c *console) (*livePage, error) {
	if t.cfg.LiveAddress == "" || c.quiet {
		return nil, nil
	}
	p := &livePage{}
	server, err := live.Listen(t.cfg.LiveAddress, live.Config{Stop: p.stop})
	if err != nil {
		return nil, errors.New("CODER_SCALETEST_LIVE_ADDRESS: " + err.Error())
	}
	p.server = server
	if plan.Stream == nil {
		plan.Stream = server
	} else {
		plan.Stream = bothStreams{plan.Stream, server}
	}
	c.printf("live        %s\n", server.URL())
	return p, nil
}

func (p *livePage) stop() {
	if run := p.run.Load(); run != nil {
		run.Stop()
	}
}

func (p *livePage) began(run *harness.Run) {
	if p != nil {
		p.run.Store(run)
	}
}

// lastLook is how long somebody who has the page open may take to get the report.
const lastLook = 5 * time.Second

func (p *livePage) close() {
	if p == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastLook)
	defer cancel()
	_ = p.server.Close(ctx) // what is cut is a connection of a browser
}

// bothStreams writes to a file, which counts, and to the page.
type bothStreams struct {
	file io.Writer
	page *live.Server
}

func (b bothStreams) Write(text []byte) (int, error) {
	_, _ = b.page.Write(text)
	return b.file.Write(text)
}

// Sync has the file on the disk.
func (b bothStreams) Sync() error {
	if file, ok := b.file.(interface{ Sync() error }); ok {
		return file.Sync()
	}
	return nil
}
