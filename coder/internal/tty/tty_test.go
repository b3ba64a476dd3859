package tty_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/internal/tty"
)

// typed runs input through a discipline in pieces.
func typed(input []byte, step int) (out string, events []string) {
	var d tty.Discipline
	var b []byte
	for len(input) > 0 {
		n := min(step, len(input))
		b = d.Input(b, bytes.Clone(input[:n]), func(out []byte, e tty.Event, line []byte) []byte {
			events = append(events, fmt.Sprint(int(e), " ", string(line)))
			return out
		})
		input = input[n:]
	}
	return string(b), events
}

// slow is the discipline a byte at a time, for input without ^V, ^W and bytes
// that are not ASCII.
func slow(input []byte) (out string, events []string) {
	var line []byte
	var b strings.Builder
	emit := func(e tty.Event) {
		events = append(events, fmt.Sprint(int(e), " ", string(line)))
		line = nil
	}
	erase := func() {
		last := line[len(line)-1]
		line = line[:len(line)-1]
		b.WriteString("\b \b")
		if last != '\t' && (last < 0x20 || last == 0x7f) {
			b.WriteString("\b \b")
		}
	}
	for _, c := range input {
		switch c {
		case '\r', '\n':
			b.WriteString("\r\n")
			line = append(line, '\n')
			emit(tty.Line)
		case 3, 0x1c:
			b.WriteString("^" + string(rune(c^0x40)))
			line = nil
			emit(map[byte]tty.Event{3: tty.Interrupt, 0x1c: tty.Quit}[c])
		case 4:
			if len(line) == 0 {
				emit(tty.EOF)
			} else {
				emit(tty.Line)
			}
		case 0x7f:
			if len(line) > 0 {
				erase()
			}
		case 0x15:
			for len(line) > 0 {
				erase()
			}
		case 0x11, 0x13:
		default:
			if len(line) < tty.MaxLine-1 {
				line = append(line, c)
			}
			switch {
			case c < 0x20 && c != '\t':
				b.WriteString("^" + string(rune(c^0x40)))
			default:
				b.WriteByte(c)
			}
		}
	}
	return b.String(), events
}

func TestALongLineIsEchoedWholeButReachesTheProgramCut(t *testing.T) {
	t.Parallel()
	for _, n := range []int{4094, 4095, 4096, 4097, 10_000} {
		in := strings.Repeat("x", n) + "\n"
		for _, step := range []int{1, 7, 4096, len(in)} {
			out, events := typed([]byte(in), step)
			assert.Equal(t, strings.Repeat("x", n)+"\r\n", out)
			assert.Equal(t, []string{"0 " + strings.Repeat("x", min(n, tty.MaxLine-1)) + "\n"}, events)
		}
	}
}

func TestKeysDoWhatTheyDoInATerminal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		keys, echo string
		events     []string
	}{
		{"ab\r", "ab\r\n", []string{"0 ab\n"}},
		{"ab\x03cd\n", "ab^Ccd\r\n", []string{"2 ", "0 cd\n"}},
		{"ab\x1c", `ab^\`, []string{"3 "}},
		{"\x04", "", []string{"1 "}},
		{"ab\x04", "ab", []string{"0 ab"}},
		{"abc\x7f\x7f\n", "abc\b \b\b \b\r\n", []string{"0 a\n"}},
		{"\x01\x7f\n", "^A\b \b\b \b\r\n", []string{"0 \n"}},
		{"ab\x15c\n", "ab\b \b\b \bc\r\n", []string{"0 c\n"}},
		{"é\x7f\n", "é\b \b\r\n", []string{"0 \n"}},
		{"\x1b[A\n", "^[[A\r\n", []string{"0 \x1b[A\n"}},
		{"\t\n", "\t\r\n", []string{"0 \t\n"}},
		{"\x16\x03\n", "^\b^C\r\n", []string{"0 \x03\n"}},
	} {
		for step := 1; step <= len(c.keys); step++ {
			out, events := typed([]byte(c.keys), step)
			assert.Equal(t, c.echo, out, "%q", c.keys)
			assert.Equal(t, c.events, events, "%q", c.keys)
		}
	}
}

func TestPlainPrefixEndsAtTheFirstControlCharacter(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		for at := range 24 {
			b := bytes.Repeat([]byte{'x'}, 24)
			b[at] = byte(c)
			want := len(b)
			if c < 0x20 || c == 0x7f {
				want = at
			}
			require.Equal(t, want, tty.PlainPrefix(b), "%#x at %d", c, at)
		}
	}
}

func FuzzInput(f *testing.F) {
	for _, s := range []string{"abc\n", "a\x7f\x03b\x04\x04", "\x15\t\x1b[A\r", strings.Repeat("y", 5000) + "\n"} {
		f.Add([]byte(s), uint(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint) {
		for i, c := range in {
			if c >= 0x80 || c == 0x16 || c == 0x17 {
				in[i] = c & 0x0f
			}
		}
		wantOut, wantEvents := slow(in)
		out, events := typed(in, int(step%100)+1)
		require.Equal(t, wantOut, out)
		require.Equal(t, wantEvents, events)
	})
}
