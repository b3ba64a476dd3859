package shell

import (
	"unicode/utf8"

	"github.com/coderscale/scaletest/coder/internal/tty"
)

// login is an interactive shell. It edits the line itself, as readline does:
// the terminal is in raw mode at the prompt, and in canonical mode while a
// command runs.
type login struct {
	sh   *interpreter
	line []byte
	fg   *commandLine
	last byte
}

const (
	pasteOn  = "\x1b[?2004h"
	pasteOff = "\x1b[?2004l\r"
	prompt   = "root@vm:~# "
	maxInput = 64 << 10
)

func (l *login) Start(out []byte) ([]byte, bool) {
	return append(out, pasteOn+prompt...), false
}

func (l *login) Type(out, typed []byte) ([]byte, bool) {
	for i := range typed {
		if l.fg != nil {
			var over bool
			if out, over = l.fg.Type(out, typed[i:]); over {
				l.fg = nil
				out = append(out, pasteOn+prompt...)
			}
			return out, false
		}
		var over bool
		if out, over = l.key(out, typed[i]); over {
			return out, true
		}
	}
	return out, false
}

func (l *login) key(out []byte, b byte) ([]byte, bool) {
	was := l.last
	l.last = b
	switch {
	case b == '\n' && was == '\r':
		return out, false
	case b == '\r' || b == '\n':
		return l.enter(out)
	case b == 0x03:
		l.line = l.line[:0]
		return append(out, "^C\r\n"+pasteOff+pasteOn+prompt...), false
	case b == 0x04 && len(l.line) == 0:
		return append(out, "exit\r\n"+pasteOff+"logout\r\n"...), true
	case b == 0x7f || b == 0x08:
		if len(l.line) > 0 {
			_, size := utf8.DecodeLastRune(l.line)
			l.line = l.line[:len(l.line)-size]
			out = append(out, "\b\x1b[K"...)
		}
		return out, false
	case b < 0x20:
		return append(out, '\a'), false
	}
	if len(l.line) < maxInput {
		l.line = append(l.line, b)
	}
	return append(out, b), false
}

func (l *login) enter(out []byte) ([]byte, bool) {
	command := string(l.line)
	l.line = l.line[:0]
	out = append(out, "\r\n"+pasteOff...)
	c := &commandLine{sh: l.sh, todo: splitCommands(command)}
	c.handle = c.event
	for len(c.todo) > 0 && !l.sh.exited && c.fg == none {
		var text string
		text, c.fg = l.sh.run(c.todo[0], "-bash: ")
		c.todo = c.todo[1:]
		out = tty.Output(out, []byte(text))
	}
	switch {
	case l.sh.exited:
		return append(out, "logout\r\n"...), true
	case c.fg != none:
		l.fg = c
		return out, false
	}
	return append(out, pasteOn+prompt...), false
}

// Code is the status of the last command.
func (l *login) Code() int { return l.sh.code }

func (l *login) Resize(out []byte, size Size) []byte {
	l.sh.size = size
	if l.fg != nil {
		return out
	}
	out = append(out, "\r\x1b[K\r"+prompt...)
	return append(out, l.line...)
}
