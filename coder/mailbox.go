package coder

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errQuiet says that nothing has come for a while.
var errQuiet = errors.New("nothing has come")

// message is what a stream brings: for server-sent events with a kind, for
// WebSockets without.
type message struct {
	kind string
	data []byte
}

// mailbox stands between the reader of a stream and its consumer. A reader
// that waited for a slow consumer would not answer pings, and the server
// would hang up.
type mailbox struct {
	limit int // 0 means none; beyond it the oldest message is dropped

	mu    sync.Mutex
	items []message
	err   error
	ready chan struct{}
}

func newMailbox(limit int) *mailbox {
	return &mailbox{limit: limit, ready: make(chan struct{}, 1)}
}

func (b *mailbox) put(m message) {
	b.mu.Lock()
	if b.limit > 0 && len(b.items) == b.limit {
		b.items = b.items[1:]
	}
	b.items = append(b.items, m)
	b.mu.Unlock()
	b.signal()
}

// end makes take return err when everything before is taken.
func (b *mailbox) end(err error) {
	b.mu.Lock()
	b.err = err
	b.mu.Unlock()
	b.signal()
}

func (b *mailbox) signal() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// take returns the next message, the error of the stream, the error of the
// context, or errQuiet after patience (0 means no limit).
func (b *mailbox) take(ctx context.Context, patience time.Duration) (message, error) {
	var quiet <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		quiet = timer.C
	}
	for {
		if err := ctx.Err(); err != nil {
			return message{}, err
		}
		if m, err, ok := b.poll(); ok {
			return m, err
		}
		select {
		case <-b.ready:
		case <-quiet:
			return message{}, errQuiet
		case <-ctx.Done():
		}
	}
}

func (b *mailbox) poll() (message, error, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.items) > 0 {
		m := b.items[0]
		b.items = b.items[1:]
		return m, nil, true
	}
	return message{}, b.err, b.err != nil
}
