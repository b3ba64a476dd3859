// Package keystream reads what a browser sends to a terminal: JSON objects
// with data, width and height, one after the other, cut into messages anywhere.
// The usual object, with nothing but data, is read in place.
package keystream

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// Message is one object.
type Message struct {
	// Data is what was typed. It is only valid until the next call.
	Data []byte
	// Width and Height are the new size, or 0.
	Width, Height uint16
}

// ErrIncomplete says that the object goes on beyond the end of the bytes.
var ErrIncomplete = errors.New("incomplete object")

// errNoObject is said of other JSON as well: whether the number 1 is whole
// would depend on how it is cut.
var errNoObject = errors.New("not an object")

var usual = []byte(`{"data":"`)

// Next reads the first object of b. It returns how many bytes it was. It may
// change these bytes. With [ErrIncomplete] nothing was changed and more bytes
// are needed, or there is nothing but white space; every other error is final.
func Next(b []byte) (m Message, n int, err error) {
	start := 0
	for start < len(b) && (b[start] == '\n' || b[start] == ' ' || b[start] == '\r' || b[start] == '\t') {
		start++
	}
	if start == len(b) {
		return m, 0, ErrIncomplete
	}
	if b[start] != '{' {
		return m, 0, errNoObject
	}
	if rest := b[start:]; bytes.HasPrefix(rest, usual) {
		raw, escaped, used, status := text(rest[len(usual):])
		end := start + len(usual) + used
		switch {
		case status == more:
			return m, 0, ErrIncomplete
		case status == simple && end < len(b) && b[end] == '}':
			if m.Data = raw; escaped {
				m.Data = unescape(raw)
			}
			return m, end + 1, nil
		case status == simple && end == len(b):
			return m, 0, ErrIncomplete
		}
	}
	return slow(b)
}

type outcome int

const (
	simple outcome = iota // a string with simple escapes
	more                  // it does not end here
	other                 // something for encoding/json
)

// text looks at a string up to and with its closing quote.
func text(b []byte) (raw []byte, escaped bool, used int, status outcome) {
	end := 0
	for {
		q := bytes.IndexByte(b[end:], '"')
		if q < 0 {
			if !valid(b) || bytes.IndexByte(b[end:], '\\') >= 0 {
				return nil, false, 0, other
			}
			return nil, false, 0, more
		}
		stretch := b[end : end+q]
		end += q
		s := bytes.IndexByte(stretch, '\\')
		if s < 0 {
			break
		}
		// Step over the escapes before the quote, which may be one itself.
		at := end - q + s
		for at < end {
			if b[at] != '\\' {
				next := bytes.IndexByte(b[at:end], '\\')
				if next < 0 {
					at = end
					break
				}
				at += next
			}
			escaped = true
			size := escapeSize(b[at:])
			if size == 0 {
				return nil, false, 0, other
			}
			at += size
		}
		if at == end {
			break
		}
		end = at
	}
	if !valid(b[:end]) {
		return nil, false, 0, other
	}
	return b[:end], escaped, end + 1, simple
}

// escapeSize is the size of a simple escape, or 0 for all others.
func escapeSize(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		// \u00XX below 0x80 is one byte, which is how control keys come.
		if len(b) >= 6 && b[2] == '0' && b[3] == '0' && hex(b[4]) >= 0 && hex(b[4]) < 8 && hex(b[5]) >= 0 {
			return 6
		}
	}
	return 0
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// unescape decodes in place: no escape is shorter than what it stands for.
func unescape(b []byte) []byte {
	w := bytes.IndexByte(b, '\\')
	for r := w; r < len(b); {
		if b[r] != '\\' {
			next := bytes.IndexByte(b[r:], '\\')
			if next < 0 {
				next = len(b) - r
			}
			w += copy(b[w:], b[r:r+next])
			r += next
			continue
		}
		c, size := b[r+1], 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			c, size = byte(hex(b[r+4])<<4|hex(b[r+5])), 6
		}
		b[w] = c
		w++
		r += size
	}
	return b[:w]
}

// valid reports whether a string may stand in JSON as it is.
func valid(b []byte) bool { return noControl(b) && utf8.Valid(b) }

// slow leaves it to encoding/json, which decides what is an object.
func slow(b []byte) (m Message, n int, err error) {
	var in struct {
		Data   string `json:"data"`
		Width  uint16 `json:"width"`
		Height uint16 `json:"height"`
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	err = dec.Decode(&in)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return m, 0, ErrIncomplete
	}
	if err != nil {
		return m, 0, err
	}
	return Message{[]byte(in.Data), in.Width, in.Height}, int(dec.InputOffset()), nil
}
