package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/coderscale/scaletest/coder/internal/derp"
)

const (
	// maxPending is how many bytes wait to be sent to a relay while a write is
	// under way. Who wants to send more waits.
	maxPending = 256 << 10
	// writeTimeout is how long a relay may take no bytes.
	writeTimeout = 10 * time.Second
	// greetTimeout is how long it may take to say who it is.
	greetTimeout = 10 * time.Second
	// silence is how long a relay may say nothing: it sends a sign of life every 60 s.
	silence    = 150 * time.Second
	readBuffer = 16 << 10
	// steady is how long a connection must have lasted to be made again at once.
	steady = 10 * time.Second
)

var errClosed = fmt.Errorf("the node is closed: %w", net.ErrClosed)

// link is a connection to the relay of a region. It is made again whenever it is
// lost, for as long as the node lives. Reading it is up to one goroutine, which
// also makes it again.
type link struct {
	node   *Node
	region int
	home   bool
	reader *derp.Reader // of the reading goroutine, as what follows
	since  time.Time    // the connection is there
	wait   *backoff.ExponentialBackOff
	direct bool // the device's receiver reads it

	handing sync.Mutex // held while the reader sets a deadline

	mu      sync.Mutex
	room    sync.Cond // pending has shrunk, or everything has ended
	conn    io.ReadWriteCloser
	pending []byte // frames that go out with the next write
	spare   []byte
	writing bool
	closed  bool

	in, out, redials atomic.Int64
}

// openLink connects to a relay.
func (n *Node) openLink(ctx context.Context, region int) (*link, error) {
	l := &link{node: n, region: region, home: region == n.cfg.Home}
	l.direct = l.home
	l.room.L = &l.mu
	l.wait = backoff.NewExponentialBackOff()
	l.wait.InitialInterval, l.wait.MaxInterval = 50*time.Millisecond, 5*time.Second
	if err := l.connect(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// connect dials and greets.
func (l *link) connect(ctx context.Context) error {
	conn, err := l.node.cfg.Relay(ctx, l.region)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	late := time.AfterFunc(greetTimeout, func() { _ = conn.Close() })
	reader := derp.NewReader(conn, readBuffer)
	err = derp.Greet(conn, reader, l.node.private, l.home)
	if !late.Stop() && err != nil {
		err = fmt.Errorf("it did not say who it is within %v", greetTimeout)
	}
	if !stop() && err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close() // it is of no use
		return fmt.Errorf("connect to the relay of region %d: %w", l.region, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = conn.Close() // nobody wants it any more
		return errClosed
	}
	l.reader, l.since, l.conn, l.pending = reader, time.Now(), conn, l.pending[:0]
	l.room.Broadcast()
	return nil
}

// next returns the next packet that was sent to this node, and makes the
// connection again when that is lost. The packet is valid until the next call.
// Unless it is to wait, ok is false where the next packet has not come yet.
func (l *link) next(wait bool) (from derp.Key, packet []byte, ok bool, err error) {
	for wait || l.reader.Buffered() {
		t, body, err := l.read()
		if l.handedOver(err) {
			return derp.Key{}, nil, false, errSeveral
		}
		if err != nil {
			if err := l.again(err); err != nil {
				return derp.Key{}, nil, false, err
			}
			continue
		}
		switch t {
		case derp.RecvPacket:
			if len(body) > len(from) && !isDisco(body[len(from):]) {
				copy(from[:], body)
				packet = body[len(from):]
				l.in.Add(int64(len(packet)))
				return from, packet, true, nil
			}
		case derp.Ping:
			l.enqueue(derp.AppendFrame(nil, derp.Pong, body))
		case derp.PeerGone:
			l.node.stats.peersGone.Add(1)
		}
	}
	return derp.Key{}, nil, false, nil
}

// read reads a frame. A relay that says nothing for too long is lost.
func (l *link) read() (derp.Type, []byte, error) {
	if l.reader.Buffered() {
		return l.reader.Next()
	}
	if err := l.setDeadline(); err != nil {
		return 0, nil, err
	}
	return l.reader.Next()
}

// errSeveral ends the reading by the device's receiver.
var errSeveral = errors.New("there are several relays now")

func (l *link) setDeadline() error {
	l.handing.Lock()
	defer l.handing.Unlock()
	if l.direct && l.node.several.Load() {
		return errSeveral
	}
	if c, ok := l.conn.(interface{ SetReadDeadline(time.Time) error }); ok {
		return c.SetReadDeadline(time.Now().Add(silence))
	}
	return nil
}

// handOver has the device's receiver stop reading the link itself. A frame of
// which it has the beginning is not lost: the reader keeps that.
func (l *link) handOver() {
	l.handing.Lock()
	defer l.handing.Unlock()
	if l.node.several.Swap(true) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, ok := l.conn.(interface{ SetReadDeadline(time.Time) error }); ok {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // if it fails the link is lost, and read again
	}
}

// handedOver reports whether reading has ended for that reason, which it does once.
func (l *link) handedOver(err error) bool {
	if err == nil || !l.direct || !l.node.several.Load() {
		return false
	}
	if !errors.Is(err, errSeveral) && !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	l.direct = false
	return true
}

// isDisco tells the packets of those who look for a direct way. They get no
// answer, and so the peer stays with the relay.
func isDisco(p []byte) bool { return len(p) >= 6 && string(p[:6]) == "TS💬" }

// again connects until it works.
func (l *link) again(lost error) error {
	l.mu.Lock()
	_ = l.conn.Close() // it is lost
	closed := l.closed
	l.mu.Unlock()
	if closed {
		return errClosed
	}
	l.node.event("relay of region %d lost: %v", l.region, lost)
	if time.Since(l.since) > steady {
		l.wait.Reset()
	} else if !l.pause() { // it is lost again and again
		return errClosed
	}
	for {
		err := l.connect(l.node.ctx)
		if err == nil {
			l.redials.Add(1)
			return nil
		}
		if l.node.ctx.Err() != nil || errors.Is(err, errClosed) {
			return errClosed
		}
		l.node.event("%v", err)
		if !l.pause() {
			return errClosed
		}
	}
}

// pause waits before the next attempt. It reports false if the node is closed.
func (l *link) pause() bool {
	t := time.NewTimer(l.wait.NextBackOff())
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.node.ctx.Done():
		return false
	}
}

// send relays packets to a key, with one write for all that wait meanwhile.
func (l *link) send(to derp.Key, packets [][]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.pending) > maxPending && l.writing && !l.closed {
		l.room.Wait()
	}
	for _, p := range packets {
		l.pending = derp.AppendFrame(l.pending, derp.SendPacket, to[:], p)
		l.out.Add(int64(len(p)))
	}
	l.flush()
}

func (l *link) enqueue(frame []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) <= maxPending { // a relay that pings and takes no answer gets none
		l.pending = append(l.pending, frame...)
	}
	l.flush()
}

// flush writes what waits, and what comes to wait meanwhile, unless somebody does
// so already. What can't be written is lost, as packets may be: TCP sends it
// again. l.mu is held.
func (l *link) flush() {
	if l.writing {
		return
	}
	l.writing = true
	// Others may be about to send as well: ticks come for many connections at a
	// time, and a write costs more than a packet.
	l.mu.Unlock()
	runtime.Gosched()
	l.mu.Lock()
	for len(l.pending) > 0 && !l.closed {
		out, conn := l.pending, l.conn
		l.pending = l.spare[:0]
		l.room.Broadcast()
		l.mu.Unlock()
		err := write(conn, out)
		l.mu.Lock()
		if l.spare = out; cap(l.spare) > 2*maxPending {
			l.spare = nil
		}
		if err != nil {
			_ = conn.Close() // the reader finds out and connects again
			if conn == l.conn {
				l.pending = l.pending[:0]
			}
			l.node.stats.dropped.Add(1)
		}
	}
	l.writing = false
	l.room.Broadcast()
}

// write gives up on a relay that takes nothing.
func write(conn io.ReadWriteCloser, b []byte) error {
	if c, ok := conn.(interface{ SetWriteDeadline(time.Time) error }); ok {
		if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
	}
	_, err := conn.Write(b)
	return err
}

// cut loses the connection, for tests.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.conn.Close() // that is what is asked for
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	_ = l.conn.Close() // it is going away
	l.room.Broadcast()
}
