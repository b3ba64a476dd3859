// Package facts writes lines of a name and a text for people at a terminal.
package facts

import (
	"fmt"
	"strings"
	"time"
)

// Width is what a terminal of 80 columns shows, less what go test puts in front.
const Width = 76

// Write writes a name, and a text that begins in a column and goes on below
// itself. A name that is too long pushes the first line of the text on.
func Write(b *strings.Builder, column int, name, text string) {
	fmt.Fprintf(b, "%-*s", column, name)
	at := max(column, len(name)+1)
	if len(name) >= column {
		b.WriteByte(' ')
	}
	for i, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case i == 0:
		case at+1+n > Width:
			fmt.Fprintf(b, "\n%*s", column, "")
			at = column
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	b.WriteByte('\n')
}

// Short prints seconds with three digits, as in "1.23ms".
func Short(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}
