// Package tty is the line discipline of a terminal as Linux has it: it echoes
// what is typed, collects lines for the program, and turns keys into signals.
// It does no I/O and has no goroutines.
package tty

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// MaxLine is the longest line that a program gets, newline included. What is
// typed beyond it is echoed and lost, except for the newline.
const MaxLine = 4096

// Event says what a line discipline hands to the program.
type Event int

const (
	// Line is a line, or what there is of one at ^D.
	Line Event = iota
	// EOF is ^D at the beginning of a line.
	EOF
	// Interrupt is ^C.
	Interrupt
	// Quit is ^\.
	Quit
)

// Handler gets events in order, with the output so far. It returns the output
// with its own appended. The line is only valid during the call.
type Handler func(out []byte, e Event, line []byte) []byte

// Discipline is a terminal in canonical mode with echo, signals, CR to NL on
// input and NL to CR NL on output. The zero value is ready. It is not safe for
// concurrent use.
type Discipline struct {
	line    []byte
	literal bool // ^V: the next byte is taken as it is
}

// Control characters with a meaning.
const (
	ctrlC, ctrlD, ctrlQ, ctrlS = 0x03, 0x04, 0x11, 0x13
	ctrlU, ctrlV, ctrlW, quit  = 0x15, 0x16, 0x17, 0x1c
	backspace, del             = 0x08, 0x7f
)

// Input processes what was typed: it appends the echo to out and calls handle
// for each event.
func (d *Discipline) Input(out, typed []byte, handle Handler) []byte {
	for len(typed) > 0 {
		n := PlainPrefix(typed)
		if n == 0 || d.literal {
			out = d.key(out, typed[0], handle)
			typed = typed[1:]
			continue
		}
		out = append(out, typed[:n]...)
		// A whole line needs no copy.
		if len(d.line) == 0 && n < len(typed) && n < MaxLine && (typed[n] == '\n' || typed[n] == '\r') {
			out = append(out, '\r', '\n')
			was := typed[n]
			typed[n] = '\n'
			out = handle(out, Line, typed[:n+1])
			typed[n] = was
			typed = typed[n+1:]
			continue
		}
		d.keep(typed[:n])
		typed = typed[n:]
	}
	return out
}

// keep adds to the line what fits, leaving room for the newline.
func (d *Discipline) keep(b []byte) {
	if room := MaxLine - 1 - len(d.line); len(b) > room {
		b = b[:max(room, 0)]
	}
	d.line = append(d.line, b...)
}

func (d *Discipline) key(out []byte, b byte, handle Handler) []byte {
	if d.literal {
		d.literal = false
		d.keep([]byte{b})
		return echo(out, b)
	}
	switch b {
	case '\r', '\n':
		out = append(out, '\r', '\n')
		d.line = append(d.line, '\n')
		return d.deliver(out, Line, handle)
	case ctrlC:
		d.line = d.line[:0]
		return handle(append(out, '^', 'C'), Interrupt, nil)
	case quit:
		d.line = d.line[:0]
		return handle(append(out, '^', '\\'), Quit, nil)
	case ctrlD:
		if len(d.line) == 0 {
			return handle(out, EOF, nil)
		}
		return d.deliver(out, Line, handle)
	case del:
		return d.erase(out)
	case ctrlU:
		for len(d.line) > 0 {
			out = d.erase(out)
		}
		return out
	case ctrlW:
		for len(d.line) > 0 && d.line[len(d.line)-1] == ' ' {
			out = d.erase(out)
		}
		for len(d.line) > 0 && d.line[len(d.line)-1] != ' ' {
			out = d.erase(out)
		}
		return out
	case ctrlV:
		d.literal = true
		return append(out, '^', '\b')
	case ctrlQ, ctrlS:
		return out
	}
	d.keep([]byte{b})
	return echo(out, b)
}

// deliver hands the line over. A line that is being delivered may be followed
// by more input from within, so it is taken first.
func (d *Discipline) deliver(out []byte, e Event, handle Handler) []byte {
	line := d.line
	d.line = nil
	out = handle(out, e, line)
	if d.line == nil {
		d.line = line[:0]
	}
	return out
}

func echo(out []byte, b byte) []byte {
	switch {
	case b == '\t':
		return append(out, b)
	case b == '\n':
		return append(out, '\r', '\n')
	case b < 0x20 || b == del:
		return append(out, '^', b^0x40)
	}
	return append(out, b)
}

// erase takes the last character away, and as many columns as it has.
func (d *Discipline) erase(out []byte) []byte {
	if len(d.line) == 0 {
		return out
	}
	_, size := utf8.DecodeLastRune(d.line)
	last := d.line[len(d.line)-1]
	d.line = d.line[:len(d.line)-size]
	columns := 1
	if last != '\t' && (last < 0x20 || last == del) {
		columns = 2
	}
	for range columns {
		out = append(out, '\b', ' ', '\b')
	}
	return out
}

// Output appends what a program writes, with NL turned into CR NL.
func Output(out, b []byte) []byte {
	for i, c := range b {
		if c == '\n' {
			out = append(out, '\r', '\n')
		} else {
			out = append(out, b[i])
		}
	}
	return out
}

const (
	low  = 0x0101010101010101
	high = 0x8080808080808080
)

// PlainPrefix is how many bytes at the beginning of b are not control
// characters. It looks at eight at a time.
func PlainPrefix(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		v := binary.LittleEndian.Uint64(b[i:])
		// A byte is below 0x20, or is 0x7f. Bytes from 0x80 on are neither.
		control := (v - low*0x20) & ^v
		x := v ^ low*del
		control |= (x - low) & ^x
		if control &= high; control != 0 {
			return i + bits.TrailingZeros64(control)/8 // the lowest hit is exact
		}
	}
	for ; i < len(b); i++ {
		if b[i] < 0x20 || b[i] == del {
			return i
		}
	}
	return i
}
