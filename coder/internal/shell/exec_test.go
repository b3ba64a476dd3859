package shell_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/coderscale/scaletest/coder/internal/shell"
)

// exec runs a command and returns its output, its errors and its status.
func exec(ctx context.Context, command, in string) (string, string, int) {
	var out, errOut bytes.Buffer
	code := shell.Exec(ctx, command, map[string]string{"GREETING": "hi"}, shell.Streams{In: strings.NewReader(in), Out: &out, Err: &errOut})
	return out.String(), errOut.String(), code
}

func TestACommandThatFailsSaysSoInItsStatus(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]int{
		"false": 1, "nosuch": 127, "exit 300": 300 & 0xff, "exit x": 0, "false; exit": 1, "false; exit 0": 0, "dd bs=0": 1, "dd count=x": 1,
		"head": 1, "head -c x": 1, "sleep": 1, "sleep x": 1, "true; nosuch": 127, "nosuch; true": 0,
	} {
		_, _, code := exec(t.Context(), command, "")
		assert.Equal(t, want, code, command)
	}
}

func TestACommandThatWaitsEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, code := exec(ctx, "sleep 1000; echo never", "")
	assert.NotEqual(t, 1000, code)
	out, _, _ := exec(ctx, "echo never", "")
	assert.Empty(t, out)
}

func TestRedirectionsTakeOutputAway(t *testing.T) {
	t.Parallel()
	for command, want := range map[string][2]string{
		"echo a > /dev/null":   {"", ""},
		"echo a >/dev/null":    {"", ""},
		"echo a 1>/dev/null":   {"", ""},
		"nosuch 2>&1":          {"bash: line 1: nosuch: command not found\n", ""},
		"nosuch 2> /dev/null":  {"", ""},
		"echo $GREETING 1>&2":  {"", "hi\n"},
		"echo 'a>b'":           {"a>b\n", ""},
		"echo x; echo 'y;z'":   {"x\ny;z\n", ""},
		"cat 2>/dev/null":      {"in", ""},
		"GREETING=x; echo yes": {"yes\n", ""},
	} {
		out, errOut, _ := exec(t.Context(), command, "in")
		assert.Equal(t, want, [2]string{out, errOut}, command)
	}
}

// limited takes so many bytes.
type limited struct{ left int }

func (l *limited) Write(b []byte) (int, error) {
	if l.left -= len(b); l.left < 0 {
		return 0, errors.New("full")
	}
	return len(b), nil
}

func FuzzExec(f *testing.F) {
	for _, s := range []string{"echo a; cat", "dd if=/dev/zero bs=1G count=9", "head -c 9M /dev/zero", "2>", "> > 1>&2", "exit -1", "echo '", "sleep 1"} {
		f.Add(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f.Fuzz(func(t *testing.T, command string) {
		for _, c := range []context.Context{ctx, t.Context()} {
			if c != ctx && strings.Contains(command, "sleep") {
				continue
			}
			out := &limited{1 << 20}
			if code := shell.Exec(c, command, nil, shell.Streams{In: strings.NewReader("exit 1\n"), Out: out, Err: out}); code < 0 || code > 255 {
				t.Fatalf("%q ended with %d", command, code)
			}
		}
	})
}
