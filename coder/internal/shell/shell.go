// Package shell plays the programs of a terminal: a login shell with a line
// editor that redraws, and the few commands that load tests and examples use. It
// starts no process.
package shell

import (
	"strconv"
	"strings"

	"github.com/coderscale/scaletest/coder/internal/tty"
)

// Size is the window's.
type Size struct{ Columns, Rows int }

// Program is what runs in a terminal. Its methods append output as it goes over
// the wire, with CR NL. It is not safe for concurrent use.
type Program interface {
	// Start is called once. It reports whether the program has ended already.
	Start(out []byte) ([]byte, bool)
	// Type is what the user types. It may change the bytes.
	Type(out, typed []byte) ([]byte, bool)
	// Resize changes the window.
	Resize(out []byte, size Size) []byte
	// Code is the status of a program that has ended.
	Code() int
}

// New makes the program of a command line. "" is a login shell.
func New(command string, size Size) Program {
	sh := &interpreter{size: size, vars: map[string]string{}}
	if strings.TrimSpace(command) == "" {
		return &login{sh: sh}
	}
	c := &commandLine{sh: sh, todo: splitCommands(command)}
	c.handle = c.event
	return c
}

// commandLine runs commands in a terminal in canonical mode.
type commandLine struct {
	sh     *interpreter
	todo   []string
	fg     foreground
	line   tty.Discipline
	handle tty.Handler
	over   bool
	quiet  bool // what is typed is not echoed
	kept   int  // how much of the output is no echo
}

// interrupted is the status of a command that was ended by ^C.
const interrupted = 130

// foreground is a command that reads what is typed.
type foreground int

const (
	none    foreground = iota
	swallow            // dd of=/dev/null
	repeat             // cat, dd
	asleep             // sleep
)

func (c *commandLine) Start(out []byte) ([]byte, bool) {
	out = c.next(out)
	return out, c.over
}

// next runs commands until one waits for input or none is left.
func (c *commandLine) next(out []byte) []byte {
	c.fg = none
	for len(c.todo) > 0 && c.fg == none && !c.sh.exited {
		cmd := c.todo[0]
		c.todo = c.todo[1:]
		var text string
		text, c.fg = c.sh.run(cmd, "/bin/bash: line 1: ")
		out = tty.Output(out, []byte(text))
	}
	c.over = c.fg == none
	return out
}

func (c *commandLine) Type(out, typed []byte) ([]byte, bool) {
	if c.over {
		return out, true
	}
	c.kept = len(out)
	out = c.line.Input(out, typed, c.handle)
	if c.quiet {
		out = out[:c.kept]
	}
	return out, c.over
}

// WithoutEcho turns the echo of a command line off, as stty -echo does. A login
// shell is not affected: it echoes by itself.
func WithoutEcho(p Program) {
	if c, ok := p.(*commandLine); ok {
		c.quiet = true
	}
}

func (c *commandLine) event(out []byte, e tty.Event, line []byte) []byte {
	if c.quiet {
		out = out[:c.kept]
	}
	switch {
	case c.over:
	case e == tty.Line && c.fg == repeat:
		out = tty.Output(out, line)
	case e == tty.EOF && c.fg != asleep:
		out = c.next(out)
	case e == tty.Interrupt, e == tty.Quit:
		c.fg, c.over, c.sh.code = none, true, interrupted
	}
	c.kept = len(out)
	return out
}

// Code is the status of the last command.
func (c *commandLine) Code() int { return c.sh.code }

func (c *commandLine) Resize(out []byte, size Size) []byte {
	c.sh.size = size
	return out
}

// interpreter runs simple commands.
type interpreter struct {
	size   Size
	vars   map[string]string
	exited bool
	code   int // of the last command, or what exit was given
}

// run gives a command's output, or says that it reads what is typed.
func (sh *interpreter) run(command, prefix string) (string, foreground) {
	words := sh.words(command)
	if len(words) == 0 {
		return "", none
	}
	args := words[1:]
	if name, value, ok := strings.Cut(words[0], "="); ok && len(args) == 0 && name != "" {
		sh.vars[name] = value
		return "", none
	}
	if words[0] != "exit" && words[0] != "logout" {
		sh.code = 0
	}
	switch words[0] {
	case "echo":
		return strings.Join(args, " ") + "\n", none
	case "export":
		for _, a := range args {
			if name, value, ok := strings.Cut(a, "="); ok {
				sh.vars[name] = value
			}
		}
		return "", none
	case "seq":
		return seq(args), none
	case "stty":
		if len(args) > 0 && args[0] == "size" {
			return strconv.Itoa(sh.size.Rows) + " " + strconv.Itoa(sh.size.Columns) + "\n", none
		}
		return "", none
	case "hostname":
		return "vm\n", none
	case "whoami":
		return "root\n", none
	case "pwd":
		return "/root\n", none
	case "false":
		sh.code = 1
		return "", none
	case "true", ":":
		return "", none
	case "cat":
		return "", repeat
	case "sleep":
		return "", asleep
	case "dd":
		return "", dd(args)
	case "exit", "logout":
		sh.exited = true
		if len(args) > 0 {
			if n, err := strconv.Atoi(args[0]); err == nil {
				sh.code = n & 0xff
			}
		}
		return "", none
	}
	sh.code = notFound
	return prefix + words[0] + ": command not found\n", none
}

// dd reads lines, and repeats them unless they go to /dev/null.
func dd(args []string) foreground {
	for _, a := range args {
		if a == "of=/dev/null" {
			return swallow
		}
	}
	return repeat
}

func seq(args []string) string {
	first, last := 1, 0
	var err error
	switch len(args) {
	case 1:
		last, err = strconv.Atoi(args[0])
	case 2:
		if first, err = strconv.Atoi(args[0]); err == nil {
			last, err = strconv.Atoi(args[1])
		}
	default:
		return "seq: want one or two numbers\n"
	}
	if err != nil {
		return "seq: invalid argument\n"
	}
	var b []byte
	for n := first; n <= min(last, first+1_000_000); n++ {
		b = append(strconv.AppendInt(b, int64(n), 10), '\n')
	}
	return string(b)
}
