package shell

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Streams are what a program without a terminal reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// notFound is the status of a command that does not exist.
const notFound = 127

// Exec runs a command line without a terminal, or with "" a shell that reads
// commands from the input. It returns the status of the last command.
func Exec(ctx context.Context, command string, env map[string]string, s Streams) int {
	sh := &interpreter{vars: map[string]string{}}
	for k, v := range env {
		sh.vars[k] = v
	}
	if strings.TrimSpace(command) != "" {
		return sh.execAll(ctx, command, s)
	}
	lines := bufio.NewReader(s.In)
	s.In = lines
	for !sh.exited {
		line, err := lines.ReadString('\n')
		if strings.TrimSpace(line) != "" {
			sh.execAll(ctx, line, s)
		}
		if err != nil {
			break
		}
	}
	return sh.code
}

func (sh *interpreter) execAll(ctx context.Context, command string, s Streams) int {
	for _, c := range splitCommands(command) {
		if sh.exited || ctx.Err() != nil {
			break
		}
		sh.code = sh.exec(ctx, c, s)
	}
	return sh.code
}

// exec runs one command.
func (sh *interpreter) exec(ctx context.Context, command string, s Streams) int {
	words, s := redirect(sh.words(command), s)
	if len(words) == 0 {
		return 0
	}
	args := words[1:]
	switch words[0] {
	case "cat":
		return status(io.CopyBuffer(s.Out, s.In, make([]byte, copySize)))
	case "dd":
		return ddRaw(args, s)
	case "head":
		return head(args, s)
	case "wc": // always as with -c
		n, err := io.CopyBuffer(io.Discard, s.In, make([]byte, copySize))
		if err == nil {
			_, err = fmt.Fprintln(s.Out, n)
		}
		return status(n, err)
	case "sleep":
		return pause(ctx, args)
	case "env":
		for k, v := range sh.vars {
			fmt.Fprintf(s.Out, "%s=%s\n", k, v)
		}
		return 0
	}
	text, _ := sh.run(strings.Join(quoted(words), " "), "bash: line 1: ")
	to := s.Out
	if sh.code == notFound && words[0] != "exit" {
		to = s.Err
	}
	if _, err := io.WriteString(to, text); err != nil {
		return 1
	}
	return sh.code
}

// quoted protects words that have been taken apart already.
func quoted(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w
		if strings.ContainsAny(w, " \t;$\"\\\n") {
			out[i] = "'" + w + "'"
		}
	}
	return out
}

// copySize is what is read at a time.
const copySize = 32 << 10

func status[N int | int64](_ N, err error) int {
	if err != nil {
		return 1
	}
	return 0
}

// redirect takes redirections to /dev/null, and of errors to the output, out of
// the words.
func redirect(words []string, s Streams) ([]string, Streams) {
	var out []string
	for i := 0; i < len(words); i++ {
		w := words[i]
		to := strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(w, "1"), "2"), ">")
		if to == w || !strings.Contains(w, ">") || strings.HasPrefix(w, "-") {
			out = append(out, w)
			continue
		}
		if to == "" && i+1 < len(words) {
			i++
			to = words[i]
		}
		target := &s.Out
		if strings.HasPrefix(w, "2>") {
			target = &s.Err
		}
		switch to {
		case "/dev/null":
			*target = io.Discard
		case "&1":
			*target = s.Out
		case "&2":
			*target = s.Err
		}
	}
	return out, s
}

// zeros are what /dev/zero gives.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// ddRaw copies blocks.
func ddRaw(args []string, s Streams) int {
	block, count, quiet := int64(512), int64(-1), false
	in, out := s.In, s.Out
	for _, a := range args {
		key, value, _ := strings.Cut(a, "=")
		ok := true
		switch key {
		case "if":
			if value == "/dev/zero" || value == "/dev/urandom" {
				in = zeros{}
			}
		case "of":
			if value == "/dev/null" {
				out = io.Discard
			}
		case "bs":
			block, ok = size(value)
		case "count":
			count, ok = size(value)
		case "status":
			quiet = value == "none"
		}
		if !ok || block == 0 {
			fmt.Fprintf(s.Err, "dd: invalid number: '%s'\n", value)
			return 1
		}
	}
	if count >= 0 {
		if count > 0 && block > math.MaxInt64/count {
			block = math.MaxInt64 / count
		}
		in = io.LimitReader(in, block*count)
	}
	n, err := io.CopyBuffer(writer{out}, in, make([]byte, min(max(block, 1), copySize)))
	if !quiet {
		fmt.Fprintf(s.Err, "%d+%d records in\n%d+%d records out\n", n/block, min(n%block, 1), n/block, min(n%block, 1))
	}
	return status(n, err)
}

// writer hides what else a writer could do, so that copies go in blocks.
type writer struct{ io.Writer }

// head gives the first bytes.
func head(args []string, s Streams) int {
	in, n := s.In, int64(-1)
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "-c" && i+1 < len(args):
			i++
			n, _ = size(args[i])
		case strings.HasPrefix(a, "-c"):
			n, _ = size(a[2:])
		case a == "/dev/zero" || a == "/dev/urandom":
			in = zeros{}
		}
	}
	if n < 0 {
		fmt.Fprintln(s.Err, "head: want -c and a number of bytes")
		return 1
	}
	return status(io.CopyBuffer(writer{s.Out}, io.LimitReader(in, n), make([]byte, copySize)))
}

// size reads a number with a suffix such as K or M.
func size(s string) (int64, bool) {
	unit := int64(1)
	for suffix, n := range map[string]int64{"k": 1 << 10, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = rest, n
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return -1, false
	}
	return n * unit, true
}

func pause(ctx context.Context, args []string) int {
	if len(args) != 1 {
		return 1
	}
	seconds, err := strconv.ParseFloat(strings.TrimSuffix(args[0], "s"), 64)
	if err != nil {
		return 1
	}
	t := time.NewTimer(time.Duration(seconds * float64(time.Second)))
	defer t.Stop()
	select {
	case <-t.C:
		return 0
	case <-ctx.Done():
		return interrupted
	}
}
