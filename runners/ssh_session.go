package runners

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/ssh"
)

// sshSession is a session with a command in it.
type sshSession struct {
	ssh.Channel
	hangUp func() error    // ends the connection that it is on
	small  [smallRead]byte // what it waits with
	more   bool            // the last read filled that
	gone   chan struct{}   // closed when its requests have ended
	status int             // the command's exit status, or -1
	signal string          // that ended it
}

// smallRead is what an idle session holds to read into: most wait at any time,
// and all that they would need is the first of what comes.
const smallRead = 256

// ReadScratch implements [traffic.ScratchReader]: the beginning of what comes
// is read into a buffer of its own, the rest into one that is lent.
func (s *sshSession) ReadScratch(scratch interface {
	Acquire() []byte
	Release()
}) ([]byte, error) {
	buf := s.small[:]
	if s.more {
		buf = scratch.Acquire()
	}
	n, err := s.Read(buf)
	s.more = n == len(buf)
	return buf[:n], err
}

// endWith closes the connection when ctx is done, which ends whatever waits for it.
// The user may have let go of it by then.
func (u *sshUser) endWith(ctx context.Context) (stop func() bool) {
	client := u.client
	return context.AfterFunc(ctx, func() { _ = client.Close() })
}

// open opens a session and starts a command in it. An empty command is a shell.
func (u *sshUser) open(ctx context.Context, command string, terminal bool) (*sshSession, error) {
	defer u.endWith(ctx)()
	ch, requests, err := u.client.OpenChannel("session", nil)
	if err != nil {
		return nil, err
	}
	s := &sshSession{Channel: ch, hangUp: u.client.Close, gone: make(chan struct{}), status: -1}
	go s.listen(requests)
	ask := func(name string, payload []byte) error {
		ok, err := ch.SendRequest(name, true, payload)
		if err == nil && !ok {
			err = errors.New("the server refused it")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	if terminal {
		err = ask("pty-req", ssh.Marshal(&ptyRequest{Term: "xterm-256color", Columns: 80, Rows: 25}))
	}
	switch {
	case err != nil:
	case command == "":
		err = ask("shell", nil)
	default:
		err = ask("exec", ssh.Marshal(&execRequest{command}))
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// ptyRequest and execRequest are RFC 4254, sections 6.2 and 6.5.
type ptyRequest struct {
	Term                         string
	Columns, Rows, Width, Height uint32
	Modes                        string
}

type execRequest struct{ Command string }

// listen takes what the server says about the session.
func (s *sshSession) listen(requests <-chan *ssh.Request) {
	defer close(s.gone)
	for r := range requests {
		switch r.Type {
		case "exit-status":
			var exit struct{ Status uint32 }
			if ssh.Unmarshal(r.Payload, &exit) == nil {
				s.status = int(exit.Status)
			}
		case "exit-signal":
			var exit struct {
				Signal     string
				CoreDumped bool
				Error      string
				Language   string
			}
			if ssh.Unmarshal(r.Payload, &exit) == nil {
				s.signal = exit.Signal
			}
		}
		if r.WantReply {
			_ = r.Reply(false, nil)
		}
	}
}

// ended says how the command ended, once it has. It is nil while nobody knows.
func (s *sshSession) ended() error {
	select {
	case <-s.gone:
	case <-time.After(100 * time.Millisecond):
		return nil
	}
	switch {
	case s.signal != "":
		return fmt.Errorf("the command was ended by signal %s", s.signal)
	case s.status >= 0:
		said, _ := io.ReadAll(io.LimitReader(s.Stderr(), 1<<10)) // what there is
		return fmt.Errorf("the command ended with status %d: %s", s.status, said)
	}
	return nil
}

// farewell is how long an end may take that is told to the other side.
const farewell = time.Second

// close ends the session and waits for its goroutine. A goodbye waits behind what
// is being sent: when the other side takes nothing the connection ends, too.
func (s *sshSession) close() {
	timer := time.AfterFunc(farewell, func() { _ = s.hangUp() })
	defer timer.Stop()
	_ = s.Close()
	// The server answers, or the connection's end stands for it.
	select {
	case <-s.gone:
	case <-time.After(farewell):
	}
}
