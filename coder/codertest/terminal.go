package codertest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/codertest/internal/keystream"
	"github.com/coderscale/scaletest/coder/codertest/internal/wsframe"
	"github.com/coderscale/scaletest/coder/internal/shell"
)

// terminals are the sessions of an agent. A nil one has none.
type terminals struct {
	mu   sync.Mutex
	byID map[uuid.UUID]*session
	over bool
	keep int // bytes of output that a session replays
}

// session is a terminal with a program. Any number of connections see the same
// output. It has no goroutine: the program runs in that of who types.
type session struct {
	id   uuid.UUID
	home *terminals

	mu      sync.Mutex
	program shell.Program
	size    shell.Size
	ring    ring
	conns   []*ptyConn
	frozen  atomic.Bool
	gone    atomic.Bool // its agent has left, and nobody was told
	over    bool
	idle    *time.Timer
}

// Terminals without a connection are ended after a while.
const idleTimeout = 5 * time.Minute

// outputs are buffers for what a program writes, with room for a header.
var outputs = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

// maxMessage is the longest message that a terminal sends.
const maxMessage = 32 << 10

// open finds or makes a session. It returns nil if the agent is gone.
func (t *terminals) open(id uuid.UUID, command string, size shell.Size, frozen bool) (s *session, fresh bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return nil, false
	}
	if s := t.byID[id]; s != nil {
		return s, false
	}
	s = &session{id: id, home: t, program: shell.New(command, size), size: size, ring: ring{size: t.keep}}
	s.frozen.Store(frozen)
	if t.byID == nil {
		t.byID = map[uuid.UUID]*session{}
	}
	t.byID[id] = s
	return s, true
}

func (t *terminals) forget(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID[s.id] == s {
		delete(t.byID, s.id)
	}
}

func (t *terminals) all() []*session {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]*session, 0, len(t.byID))
	for _, s := range t.byID {
		out = append(out, s)
	}
	return out
}

// attach adds a connection and replays what there is. It reports false if the
// program has ended in the meantime.
func (s *session) attach(c *ptyConn, fresh bool, size shell.Size) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	if s.idle != nil {
		s.idle.Stop()
		s.idle = nil
	}
	if s.frozen.Load() {
		s.conns = append(s.conns, c)
		return true
	}
	p := outputs.Get().(*[]byte)
	out, over := (*p)[:0], false
	if fresh {
		out, over = s.program.Start(out)
	} else if size != s.size {
		s.size = size
		out = s.program.Resize(out, size)
	}
	if len(out) > 0 {
		s.ring.write(out)
		s.broadcast(append(make([]byte, wsframe.MaxHeader, wsframe.MaxHeader+len(out)), out...))
	}
	*p = out[:0]
	outputs.Put(p)
	replay := s.ring.content(make([]byte, wsframe.MaxHeader, wsframe.MaxHeader+len(s.ring.buf)))
	if fresh && over && len(out) > s.ring.size {
		replay = append(make([]byte, wsframe.MaxHeader), out...) // the first to come sees it all
	}
	c.send(replay)
	s.conns = append(s.conns, c)
	if over {
		s.endLocked()
	}
	return true
}

// detach removes a connection. The last one leaves the program running for a
// while.
func (s *session) detach(c *ptyConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, o := range s.conns {
		if o == c {
			s.conns = append(s.conns[:i], s.conns[i+1:]...)
			break
		}
	}
	if len(s.conns) == 0 && !s.over && s.idle == nil {
		s.idle = time.AfterFunc(idleTimeout, func() { s.end() })
	}
}

// input is what a connection typed.
func (s *session) input(m keystream.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.frozen.Load() {
		return
	}
	p := outputs.Get().(*[]byte)
	out := append((*p)[:0], "0123456789"[:wsframe.MaxHeader]...)
	over := false
	if len(m.Data) > 0 {
		out, over = s.program.Type(out, m.Data)
	}
	if size := (shell.Size{Columns: int(m.Width), Rows: int(m.Height)}); m.Width > 0 && m.Height > 0 && size != s.size && !over {
		s.size = size
		out = s.program.Resize(out, size)
	}
	if len(out) > wsframe.MaxHeader {
		s.ring.write(out[wsframe.MaxHeader:])
		s.broadcast(out)
	}
	if cap(out) <= 1<<20 {
		*p = out[:0]
		outputs.Put(p)
	}
	if over {
		s.endLocked()
	}
}

// broadcast sends output to all. The payload begins after room for a header.
func (s *session) broadcast(b []byte) {
	for at := 0; at+wsframe.MaxHeader < len(b); {
		n := min(len(b)-at-wsframe.MaxHeader, maxMessage)
		// The header goes over what has been sent already.
		part := b[at : at+wsframe.MaxHeader+n]
		start := wsframe.PutHeader(part, wsframe.Binary)
		for _, c := range s.conns {
			c.write(part[start:], n)
		}
		at += n
	}
}

// end closes all connections and forgets the session.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked()
}

func (s *session) endLocked() {
	if s.over {
		return
	}
	s.over = true
	if s.idle != nil {
		s.idle.Stop()
	}
	s.home.forget(s)
	for _, c := range s.conns {
		c.finish()
	}
}

// end is the orderly end of an agent. A connection that takes no bytes does not
// hold it up.
func (t *terminals) end() {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	for _, s := range t.all() {
		go s.end()
	}
}

// leave is the end of an agent in a version that may miss it: a terminal ends, or
// it stays open and mute.
func (t *terminals) leave(hangs func() bool) {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	for _, s := range t.all() {
		if hangs() {
			s.gone.Store(true)
			s.frozen.Store(true)
		} else {
			s.cut()
		}
	}
}

// kill takes the connections away without a word.
func (t *terminals) kill() {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	for _, s := range t.all() {
		s.cut()
	}
}

// cut does not wait for a stalled connection: it is what holds the lock.
func (s *session) cut() {
	go func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.over = true
		s.home.forget(s)
		for _, c := range s.conns {
			c.cut() // no close frame: the other end is gone
		}
	}()
}

// freeze makes the programs deaf and mute.
func (t *terminals) freeze(frozen bool) {
	for _, s := range t.all() {
		s.frozen.Store(frozen)
	}
}
