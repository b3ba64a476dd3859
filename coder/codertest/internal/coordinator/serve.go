package coordinator

import (
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

// Stream is a call on which a peer asks and is answered.
type Stream interface {
	Send(proto.Message) error
	Recv(proto.Message) error
	// Close ends the call, and a Recv that waits.
	Close() error
}

// stuckTime is how long a peer that is sent away may take to hear why.
const stuckTime = 5 * time.Second

// Serve introduces a peer to the others until its stream ends, it disconnects, or
// it does what it may not: that is said in a last response. Abort ends the
// connection below the stream. It is called for a peer that reads nothing any
// more.
func (c *Coordinator) Serve(s Stream, id uuid.UUID, rules Rules, abort func()) error {
	p := c.join(id, rules, abort)
	var sender sync.WaitGroup
	sender.Go(func() { p.sendAll(s) })
	end, reason := lost, "lost"
	var err error
	for {
		r := &request{}
		if err = s.Recv(r); err != nil {
			err = nil // the peer has gone
			break
		}
		if err = c.handle(p, r); err != nil {
			break
		}
	}
	if errors.Is(err, errDisconnect) {
		end, reason, err = disconnected, "graceful disconnect", nil
	}
	if err != nil {
		c.mu.Lock()
		p.end(err.Error())
		c.mu.Unlock()
	}
	c.leave(p, end, reason)
	sender.Wait()
	p.late.Stop()
	return err
}

// sendAll sends what waits until there is an end to it, and at last why.
func (p *peer) sendAll(s Stream) {
	var err error
	for r := range p.out {
		if err != nil {
			continue // nobody hears it
		}
		err = s.Send(r)
	}
	if err == nil && p.cause != "" {
		_ = s.Send(&response{Error: p.cause}) // it may be gone
	}
	if p.cause != "" {
		_ = s.Close() // so that the receiver finds out
	}
}
