package runners

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

// appSocket holds a WebSocket to an app.
type appSocket struct {
	*app
	conn   *coder.AppConn
	pump   *traffic.Pump
	held   *harness.Connection
	joined bool
}

// Setup opens the socket.
func (s *appSocket) Setup(ctx context.Context, rec *harness.Recorder) error {
	if err := s.locate(ctx); err != nil {
		return err
	}
	if err := s.open(ctx, rec, AppOpen); err != nil {
		return err
	}
	if s.group.cfg.mode() == AppReadMode {
		return nil
	}
	var err error
	s.pump, err = s.group.join(rec, s.group.cfg.Seed)
	s.joined = err == nil
	return err
}

func (s *appSocket) open(ctx context.Context, rec *harness.Recorder, as harness.Action) error {
	err := rec.Do(ctx, as, func(ctx context.Context) (err error) {
		s.conn, err = s.session.Dial(ctx)
		return err
	})
	if err == nil {
		s.held = rec.Connected()
	}
	return err
}

// Run makes the load until it ends.
func (s *appSocket) Run(ctx context.Context, rec *harness.Recorder) error {
	if s.conn == nil { // an iteration after the first
		if err := s.open(ctx, rec, AppOpen); err != nil {
			return err
		}
	}
	if s.group.cfg.mode() == AppReadMode {
		defer s.held.Close()
		defer s.leave()
		return s.read(ctx, rec)
	}
	stream := s.pump.Attach(s.conn.Stream(), rec.User(), rec.Intended())
	s.held.Account(stream.Losses)
	defer func() {
		s.leave() // a stream is closed behind its connection
		stream.Close()
		s.held.Close()
	}()
	for {
		err := untilEnd(ctx, rec, stream, s.group.cfg.DrainTimeout)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if err := s.again(ctx, rec, err); err != nil {
			return err
		}
		if s.conn == nil {
			return nil
		}
		s.held.Restored()
		stream.Resume(s.conn.Stream())
	}
}

// again opens a connection that was lost. It leaves none when the load ends
// meanwhile.
func (s *appSocket) again(ctx context.Context, rec *harness.Recorder, cause error) error {
	s.held.Lost()
	s.leave()
	if s.group.cfg.NoReconnect {
		return fmt.Errorf("app %s of %s: the connection was lost: %w", s.group.cfg.Slug, s.workspace.Name, cause)
	}
	rec.Add(Reconnects, 1)
	rec.Logf("the connection was lost: %v", cause)
	err := retryUntil(ctx, rec, s.group.cfg.ReconnectTimeout, func(ctx context.Context) (err error) {
		s.conn, err = s.session.Dial(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("app %s of %s: lost (%v) and not found again: %w", s.group.cfg.Slug, s.workspace.Name, cause, err)
	}
	return nil
}

// readBuffer is what a reader of a flood reads into.
const readBuffer = 32 * traffic.KiB

// read takes what the app sends, until the load ends.
func (s *appSocket) read(ctx context.Context, rec *harness.Recorder) error {
	var ending atomic.Bool
	stop := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-rec.Done():
		case <-ctx.Done():
		case <-stop:
			return
		}
		ending.Store(true)
		_ = s.conn.SetReadDeadline(time.Unix(1, 0))
	}()
	defer func() {
		close(stop)
		<-watched
	}()
	buf := make([]byte, readBuffer)
	for {
		n, err := s.conn.Read(buf)
		rec.Add(BytesReceived, int64(n))
		switch {
		case err == nil:
		case ending.Load():
			return ctx.Err()
		case errors.Is(err, io.EOF):
			s.held.Lost()
			return fmt.Errorf("app %s of %s: it ended the connection: %w", s.group.cfg.Slug, s.workspace.Name, io.ErrUnexpectedEOF)
		default:
			s.held.Lost()
			return fmt.Errorf("app %s of %s: %w", s.group.cfg.Slug, s.workspace.Name, err)
		}
	}
}

func (s *appSocket) leave() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}

// Cleanup closes what Setup opened.
func (s *appSocket) Cleanup(context.Context) error {
	s.leave()
	s.held.Close()
	s.close()
	if s.joined {
		s.joined = false
		s.group.leave()
	}
	return nil
}
