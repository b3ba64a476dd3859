package runners

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
)

// probe types a line and waits for its echo. It reports whether what comes
// back can be compared: a terminal that is redrawn sends escape sequences.
func (t *terminal) probe(ctx context.Context) (comparable bool, err error) {
	defer t.endWith(ctx)()
	word := "ready" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if _, err := t.pty.Write([]byte(word + "\n")); err != nil {
		return false, fmt.Errorf("type the first line: %w", err)
	}
	deadline := time.Now().Add(t.group.cfg.ReadyTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := t.pty.SetReadDeadline(deadline); err != nil {
		return false, err
	}
	var seen []byte
	buf := make([]byte, 4096)
	for {
		n, err := t.pty.Read(buf)
		seen = append(seen, buf[:n]...)
		if i := bytes.Index(seen, []byte(word)); i >= 0 {
			if bytes.IndexByte(seen, 0x1b) >= 0 {
				return false, t.settle()
			}
			if bytes.HasSuffix(seen, []byte(word+"\r\n")) {
				return true, t.settle()
			}
			if rest := seen[i+len(word):]; len(rest) > 2 {
				return false, t.settle()
			}
		}
		if len(seen) > 1<<20 {
			return false, errors.New("it shows more than 1 MiB and not what was typed")
		}
		if err != nil {
			switch {
			case ctx.Err() != nil:
				return false, ctx.Err()
			case errors.Is(err, os.ErrDeadlineExceeded):
				return false, fmt.Errorf("it did not echo within %v%s", t.group.cfg.ReadyTimeout, shown(seen))
			}
			return false, fmt.Errorf("%v before it echoed%s: %w", coder.PTYEnded(err), shown(seen), err)
		}
	}
}

func (t *terminal) settle() error { return t.pty.SetReadDeadline(time.Time{}) }

// shown quotes what a terminal showed instead.
func shown(seen []byte) string {
	if len(seen) == 0 {
		return ""
	}
	return fmt.Sprintf(", but showed %.200q", seen)
}
