package harness

import (
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
	l.buf = append(l.buf, line...)
	if len(l.buf) > maxLog+maxLog/4 { // not at every line
		cut := len(l.buf) - maxLog
		for cut < len(l.buf) && l.buf[cut-1] != '\n' {
			cut++
		}
		l.dropped += cut
		l.buf = append(l.buf[:0], l.buf[cut:]...)
	}
}

func (l *boundedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.buf
	dropped := l.dropped
	if len(text) > maxLog {
		dropped += len(text) - maxLog
		text = text[len(text)-maxLog:]
	}
	if dropped > 0 {
		return fmt.Sprintf("(%d bytes of log before this are not kept)\n%s", dropped, text)
	}
	return string(text)
}
