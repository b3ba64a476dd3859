package agentserve

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/internal/shell"
)

const (
	// replay is what a terminal repeats to whoever comes back.
	replay = 64 << 10
	// idleTimeout is how long a terminal lives that nobody looks at.
	idleTimeout = 5 * time.Minute
	// headerTimeout bounds the wait for the first words of a connection.
	headerTimeout = 30 * time.Second
)

// header is how a connection to the terminal port begins.
type header struct {
	ID            uuid.UUID
	Height, Width uint16
	Command       string
}

// readHeader reads the length and the JSON.
func readHeader(r io.Reader) (h header, err error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return h, err
	}
	b := make([]byte, binary.LittleEndian.Uint16(length[:]))
	if _, err := io.ReadFull(r, b); err != nil {
		return h, err
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return h, fmt.Errorf("read the header of a terminal: %w", err)
	}
	if h.ID == uuid.Nil {
		return h, errors.New("read the header of a terminal: it has no ID")
	}
	return h, nil
}

// input is an object with what is typed, or a new size.
type input struct {
	Data          string `json:"data"`
	Height, Width uint16
}

// serveTerminal attaches a connection to a terminal until either ends.
func (s *Server) serveTerminal(c net.Conn) {
	_ = c.SetReadDeadline(time.Now().Add(headerTimeout)) // a connection without deadlines has none
	r := bufio.NewReaderSize(c, 1<<10)
	h, err := readHeader(r)
	if err != nil {
		return
	}
	_ = c.SetReadDeadline(time.Time{}) // as above
	defer s.opened(func(c *Counters) *atomic.Int64 { return &c.Terminals })()
	size := shell.Size{Columns: int(h.Width), Rows: int(h.Height)}
	if h.Width == 0 || h.Height == 0 {
		size = shell.Size{Columns: 80, Rows: 80} // what the deployment assumes
	}
	t, fresh := s.terminals.open(h.ID, h.Command, size)
	if t == nil || !t.attach(c, fresh, size) {
		return
	}
	defer t.detach(c)
	for objects := json.NewDecoder(r); ; {
		var in input
		if objects.Decode(&in) != nil {
			return // the client has gone, or types what is no JSON
		}
		if t.input(in) != nil {
			return
		}
	}
}

// terminals are the sessions of an agent.
type terminals struct {
	server *Server
	mu     sync.Mutex
	byID   map[uuid.UUID]*terminal
	over   bool
}

// terminal is a session. Any number of connections see the same. It has no
// goroutine: the program runs in that of who types, and a connection that takes
// nothing stops it, as on an agent.
type terminal struct {
	id   uuid.UUID
	home *terminals

	mu      sync.Mutex
	program shell.Program
	size    shell.Size
	last    []byte // of the output, up to twice what is repeated
	conns   []net.Conn
	over    bool
	idle    *time.Timer
	out     []byte
}

// open finds or makes a terminal, or returns nil if the agent is gone.
func (ts *terminals) open(id uuid.UUID, command string, size shell.Size) (t *terminal, fresh bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.over {
		return nil, false
	}
	if t := ts.byID[id]; t != nil {
		return t, false
	}
	t = &terminal{id: id, home: ts, program: shell.New(command, size), size: size}
	if ts.byID == nil {
		ts.byID = map[uuid.UUID]*terminal{}
	}
	ts.byID[id] = t
	return t, true
}

func (ts *terminals) forget(t *terminal) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.byID[t.id] == t {
		delete(ts.byID, t.id)
	}
}

// end ends all terminals. Their connections are closed already.
func (ts *terminals) end() {
	ts.mu.Lock()
	ts.over = true
	all := make([]*terminal, 0, len(ts.byID))
	for _, t := range ts.byID {
		all = append(all, t)
	}
	ts.mu.Unlock()
	for _, t := range all {
		t.finish()
	}
}

// attach adds a connection and repeats what there is. It reports false if the
// program has ended meanwhile.
func (t *terminal) attach(c net.Conn, fresh bool, size shell.Size) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return false
	}
	if t.idle != nil {
		t.idle.Stop()
		t.idle = nil
	}
	var out []byte
	over := false
	if fresh {
		out, over = t.program.Start(nil)
	} else if size != t.size {
		t.size = size
		out = t.program.Resize(nil, size)
	}
	old := t.content()
	t.show(out)
	t.conns = append(t.conns, c)
	for _, b := range [][]byte{old, out} {
		if len(b) > 0 {
			_, _ = c.Write(b) // its reader finds out
		}
	}
	if over {
		t.finishLocked()
	}
	return true
}

// show sends output to all and keeps the last of it.
func (t *terminal) show(b []byte) {
	if len(b) == 0 {
		return
	}
	t.last = append(t.last, b[max(len(b)-replay, 0):]...)
	if len(t.last) > 2*replay {
		t.last = append(t.last[:0], t.last[len(t.last)-replay:]...)
	}
	for _, c := range t.conns {
		_, _ = c.Write(b) // its reader finds out
	}
}

func (t *terminal) content() []byte { return t.last[max(len(t.last)-replay, 0):] }

// input is what a connection typed. The error says that the program has ended.
func (t *terminal) input(in input) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return errEnded
	}
	over := false
	if in.Data != "" {
		t.out, over = t.program.Type(t.out[:0], []byte(in.Data))
		t.show(t.out)
		if cap(t.out) > 64<<10 {
			t.out = nil
		}
	}
	size := shell.Size{Columns: int(in.Width), Rows: int(in.Height)}
	if in.Width > 0 && in.Height > 0 && size != t.size && !over {
		t.size = size
		t.show(t.program.Resize(nil, size))
	}
	if over {
		t.finishLocked()
		return errEnded
	}
	return nil
}

// detach removes a connection. The last one leaves the program for a while.
func (t *terminal) detach(c net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, o := range t.conns {
		if o == c {
			t.conns = append(t.conns[:i], t.conns[i+1:]...)
			break
		}
	}
	if len(t.conns) == 0 && !t.over && t.idle == nil {
		t.idle = time.AfterFunc(idleTimeout, t.finish)
	}
}

func (t *terminal) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.finishLocked()
}

func (t *terminal) finishLocked() {
	if t.over {
		return
	}
	t.over = true
	if t.idle != nil {
		t.idle.Stop()
	}
	t.home.forget(t)
	for _, c := range t.conns {
		_ = c.Close() // the end of a terminal is that of its connections
	}
}
