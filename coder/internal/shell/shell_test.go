package shell_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/internal/shell"
)

var size = shell.Size{Columns: 80, Rows: 25}

const (
	prompt = "\x1b[?2004hroot@vm:~# "
	off    = "\r\n\x1b[?2004l\r" // behind an entered line
)

// play types each of the keys in turn and returns all output.
func play(t *testing.T, command string, keys ...string) (out string, over bool) {
	t.Helper()
	p := shell.New(command, size)
	b, over := p.Start(nil)
	for _, k := range keys {
		require.False(t, over, "it ended before %q was typed", k)
		b, over = p.Type(b, []byte(k))
	}
	return string(b), over
}

func TestCommandsThatDoNotReadEndAtOnce(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"echo one; echo two":       "one\r\ntwo\r\n",
		"definitely-not-a-command": "/bin/bash: line 1: definitely-not-a-command: command not found\r\n",
		"seq 1 3":                  "1\r\n2\r\n3\r\n",
		"seq 2":                    "1\r\n2\r\n",
		"seq x":                    "seq: invalid argument\r\n",
		"stty size":                "25 80\r\n",
		"X=1; echo a$X'$X'\"$X\"":  "a1$X1\r\n",
		"exit; echo never":         "",
	} {
		out, over := play(t, command)
		assert.True(t, over, command)
		assert.Equal(t, want, out, command)
	}
}

func TestProgramsThatReadEndAsInATerminal(t *testing.T) {
	t.Parallel()
	const dd = "dd if=/dev/stdin of=/dev/null bs=1024 status=none"
	for _, c := range []struct{ command, keys, want string }{
		{dd, "line\n\x03", "line\r\n^C"},
		{dd, "line\n\x04", "line\r\n"},
		{"cat", "line\n\x04", "line\r\nline\r\n"},
		{"cat", "half\x03", "half^C"},
		{"sleep 1000", "typed\n\x03", "typed\r\n^C"},
		{"cat; echo next", "a\n\x04", "a\r\na\r\nnext\r\n"},
	} {
		for cut := range len(c.keys) {
			out, over := play(t, c.command, c.keys[:cut], c.keys[cut:])
			assert.True(t, over, "%s cut at %d", c.command, cut)
			assert.Equal(t, c.want, out, "%s cut at %d", c.command, cut)
		}
	}
}

func TestALoginShellRedrawsItsPromptAndKeepsItsVariables(t *testing.T) {
	t.Parallel()
	out, over := play(t, "", "echo he''llo-$COLUMNS\r", "export X=persist\r", "echo X=$X\n", "nosuch\r")
	assert.False(t, over)
	assert.Equal(t, prompt+"echo he''llo-$COLUMNS"+off+"hello-80\r\n"+
		prompt+"export X=persist"+off+
		prompt+"echo X=$X"+off+"X=persist\r\n"+
		prompt+"nosuch"+off+"-bash: nosuch: command not found\r\n"+prompt, out)
}

func TestALoginShellEndsWithExitAndAtTheEndOfInput(t *testing.T) {
	t.Parallel()
	out, over := play(t, "", "exit\r")
	assert.True(t, over)
	assert.Equal(t, prompt+"exit"+off+"logout\r\n", out)
	_, over = play(t, "", "\x04")
	assert.True(t, over)
}

func TestALoginShellEditsItsLine(t *testing.T) {
	t.Parallel()
	out, _ := play(t, "", "echo abé\x7f\x7fc\r")
	assert.Contains(t, out, off+"ac\r\n")
	out, _ = play(t, "", "echo never\x03echo but\r")
	assert.NotContains(t, out, off+"never")
	assert.Contains(t, out, off+"but\r\n")
}

func TestInterruptReturnsToThePrompt(t *testing.T) {
	t.Parallel()
	out, over := play(t, "", "cat\r", "x\n", "\x03", "echo back\r")
	assert.False(t, over)
	assert.True(t, strings.HasPrefix(out, prompt+"cat"+off+"x\r\nx\r\n^C"), out)
	assert.True(t, strings.HasSuffix(out, prompt+"echo back"+off+"back\r\n"+prompt), out)
}

func TestResizingShowsInTheNextCommand(t *testing.T) {
	t.Parallel()
	p := shell.New("", size)
	out, _ := p.Start(nil)
	out = p.Resize(out, shell.Size{Columns: 120, Rows: 40})
	out, _ = p.Type(out, []byte("stty size\r"))
	assert.Equal(t, prompt+"\r\x1b[K\rroot@vm:~# stty size"+off+"40 120\r\n"+prompt, string(out))
}

func TestAnEndlessLineTakesNoEndlessMemory(t *testing.T) {
	t.Parallel()
	p := shell.New("", size)
	out, _ := p.Start(nil)
	for range 100 {
		out, _ = p.Type(out[:0], []byte(strings.Repeat("x", 4096)))
	}
	out, _ = p.Type(out[:0], []byte("\r"))
	assert.Less(t, len(out), 70<<10)
}
