package report

import "strings"

// The colours of a terminal, as ECMA-48 has them.
const (
	bold       = "\x1b[1m"
	red        = "\x1b[31m"
	green      = "\x1b[32m"
	yellow     = "\x1b[33m"
	plainColor = "\x1b[0m"
)

// colors are what lines begin with, and their colour.
var colors = []struct{ prefix, color string }{
	{"verdict     PASS", bold + green},
	{"verdict     FAIL", bold + red},
	{"verdict     ERROR", bold + red},
	{"verdict     INVALID", bold + yellow},
	{"verdict     INTERRUPTED", bold + yellow},
	{"warning ", yellow},
	{"  warning ", yellow},
	{"  threshold holds", green},
	{"  threshold BROKEN", red},
	{"  failure ", red},
	{"  FAILED ", red},
}

// colored colours the names of lines. It is done last, because colours have no
// width.
func colored(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		for _, c := range colors {
			if strings.HasPrefix(line, c.prefix) {
				name := strings.TrimRight(c.prefix, " ")
				lines[i] = c.color + name + plainColor + line[len(name):]
				break
			}
		}
	}
	return strings.Join(lines, "\n")
}
