package harness

import (
	"maps"
	"sync"
	"time"

	"github.com/coderscale/scaletest/traffic/histogram"
)

// Connection is a connection that a user holds for long, such as a terminal or a
// watch, for the count of those that are lost. A runner makes it with
// [Recorder.Connected] and says what becomes of it. Its methods may be called from
// any goroutine, and more often than once; on nil they do nothing.
type Connection struct {
	of *connections

	// These belong to of.mu.
	state  connectionState
	lostAt time.Time
	losses func() (lost, repeated int64)
}

type connectionState int

const (
	connectionOpen connectionState = iota
	connectionLost
	connectionClosed
)

// connections are a scenario's.
type connections struct {
	mu     sync.Mutex
	live   map[*Connection]bool // open or lost
	sums   connectionSums
	gone   map[*Connection]losses // of those that are closed and had any, if anybody asks
	wanted bool                   // somebody will
}

// losses are bytes of a connection.
type losses struct{ lost, repeated int64 }

// connectionSums count since the beginning, except open and live.
type connectionSums struct {
	open, live             int64 // live is open or lost
	opened, lost, restored int64
	reconnect              *histogram.Histogram // nil before the first
}

// Connected says that the user has opened a connection that is to last. It
// counts from now on in the result's [Connections], in the threshold metric
// "disconnects", and in what a [Disruption] does to connections.
func (r *Recorder) Connected() *Connection {
	of := &r.scenario.connections
	c := &Connection{of: of}
	of.mu.Lock()
	defer of.mu.Unlock()
	if of.live == nil {
		of.live = map[*Connection]bool{}
	}
	of.live[c] = true
	of.sums.open++
	of.sums.live++
	of.sums.opened++
	return c
}

// Account has the harness ask f how many bytes of the connection's content are
// missing for good, and how many came twice, until it is closed and once then.
// Sums since its beginning; f must return soon.
func (c *Connection) Account(f func() (lost, repeated int64)) {
	if c == nil {
		return
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.state != connectionClosed {
		c.losses = f
	}
}

// Lost says that the connection ended, and not because this side wanted it to.
func (c *Connection) Lost() {
	if c == nil {
		return
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.state == connectionOpen {
		c.state, c.lostAt = connectionLost, time.Now()
		c.of.sums.open--
		c.of.sums.lost++
	}
}

// Restored says that the connection is back after it was lost.
func (c *Connection) Restored() {
	if c == nil {
		return
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.state != connectionLost {
		return
	}
	c.state = connectionOpen
	s := &c.of.sums
	s.open++
	s.restored++
	if s.reconnect == nil {
		s.reconnect = &histogram.Histogram{}
	}
	s.reconnect.Record(time.Since(c.lostAt))
}

// Close says that this side has closed the connection, or given it up.
func (c *Connection) Close() {
	if c == nil {
		return
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.state == connectionClosed {
		return
	}
	if c.state == connectionOpen {
		c.of.sums.open--
	}
	c.state = connectionClosed
	c.of.sums.live--
	if l := c.account(); c.of.wanted && l != (losses{}) {
		if c.of.gone == nil {
			c.of.gone = map[*Connection]losses{}
		}
		c.of.gone[c] = l
	}
	c.losses = nil
	delete(c.of.live, c)
}

// account asks for the losses until now. c.of.mu is held.
func (c *Connection) account() losses {
	if c.losses == nil {
		return losses{}
	}
	lost, repeated := c.losses()
	return losses{lost, repeated}
}

// each are the losses of all that are accounted for.
func (c *connections) each() map[*Connection]losses {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := maps.Clone(c.gone)
	if all == nil {
		all = map[*Connection]losses{}
	}
	for conn := range c.live {
		if l := conn.account(); l != (losses{}) {
			all[conn] = l
		}
	}
	return all
}

func (c *connections) now() connectionSums {
	c.mu.Lock()
	defer c.mu.Unlock()
	sums := c.sums
	if sums.reconnect != nil {
		sums.reconnect = sums.reconnect.Clone()
	}
	return sums
}

// Connections are what became of the connections of a scenario that last: see
// [Recorder.Connected].
type Connections struct {
	Count     int64        `json:"count"`      // were there at the beginning, or opened since
	Lost      int64        `json:"lost"`       // times that one was lost
	LostShare float64      `json:"lost_share"` // of Count: above 1 when they were lost again and again
	Restored  int64        `json:"restored"`   // times that one came back
	Reconnect Distribution `json:"reconnect"`  // from the loss until then

	// BytesLost and BytesRepeated are what is missing for good, and what came
	// twice, of the connections that are accounted for. They are there for the
	// parts of a disruption, and nil elsewhere.
	BytesLost     *PerConnection `json:"bytes_lost,omitempty"`
	BytesRepeated *PerConnection `json:"bytes_repeated,omitempty"`
}

// since are the connections from o to s. Nil says that there were none.
func (s connectionSums) since(o connectionSums) *Connections {
	c := &Connections{Count: o.live + s.opened - o.opened, Lost: s.lost - o.lost, Restored: s.restored - o.restored}
	if s.opened == 0 {
		return nil
	}
	if c.Count > 0 {
		c.LostShare = float64(c.Lost) / float64(c.Count)
	}
	if s.reconnect != nil {
		c.Reconnect = Distribute(s.reconnect.Since(orNone(o.reconnect)))
	}
	return c
}
