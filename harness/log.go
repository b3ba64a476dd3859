package harness

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"
)

// maxLog is how much of a user's log is kept: the last of it.
const maxLog = 64 << 10

// boundedLog keeps the last lines of a log, however much is written.
type boundedLog struct {
	mu      sync.Mutex
	buf     []byte
	dropped int
}

func (l *boundedLog) printf(at time.Duration, format string, args ...any) {
	line := fmt.Sprintf("%9.3fs ", at.Seconds()) + strings.TrimRight(fmt.Sprintf(format, args...), "\n") + "\n"
	l.mu.Lock()
	defer l.mu.Unlock()
	if over := len(line) - maxLog; over > 0 { // or one line would keep its size for ever
		l.dropped += over
		line = line[over:]
	}
	l.buf = append(l.buf, line...)
	if len(l.buf) > maxLog+maxLog/4 { // not at every line
		kept := lastLines(l.buf)
		l.dropped += len(l.buf) - len(kept)
		l.buf = append(l.buf[:0], kept...)
	}
}

// lastLines returns the last whole lines that fit.
func lastLines(text []byte) []byte {
	cut := len(text) - maxLog
	if cut <= 0 || text[cut-1] == '\n' {
		return text[max(cut, 0):]
	}
	_, rest, _ := bytes.Cut(text[cut:], []byte("\n"))
	return rest
}

func (l *boundedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := lastLines(l.buf)
	if dropped := l.dropped + len(l.buf) - len(text); dropped > 0 {
		return fmt.Sprintf("(%d bytes of log before this are not kept)\n%s", dropped, text)
	}
	return string(text)
}
