package harness

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLogKeepsItsLastLinesHoweverMuchIsWritten(t *testing.T) {
	var l boundedLog
	for i := range 100_000 {
		l.printf(time.Duration(i)*time.Millisecond, "line %d\n", i)
		require.LessOrEqual(t, cap(l.buf), 4*maxLog)
	}
	text := l.String()
	head, rest, _ := strings.Cut(text, "\n")
	require.Regexp(t, `^\(\d+ bytes of log before this are not kept\)$`, head)
	require.LessOrEqual(t, len(rest), maxLog)
	require.Greater(t, len(rest), maxLog*9/10)
	require.Regexp(t, `^ +\d+\.\d{3}s line \d+\n`, rest, "begins with a whole line")
	require.True(t, strings.HasSuffix(rest, "   99.999s line 99999\n"))
}

func TestShortLogIsWhole(t *testing.T) {
	var l boundedLog
	require.Empty(t, l.String())
	l.printf(1500*time.Millisecond, "hello %s", "you")
	l.printf(0, "%s", "twice\n\n")
	require.Equal(t, "    1.500s hello you\n    0.000s twice\n", l.String())
}

func TestOneHugeLineKeepsItsEndAndNotItsSize(t *testing.T) {
	var l boundedLog
	l.printf(0, "before")
	l.printf(0, "%s end", strings.Repeat("x", 10*maxLog))
	require.LessOrEqual(t, cap(l.buf), 4*maxLog)
	text := l.String()
	require.Contains(t, text, "bytes of log before this are not kept")
	require.True(t, strings.HasSuffix(text, "xxx end\n"))
	l.printf(0, "after")
	require.True(t, strings.HasSuffix(l.String(), "after\n"))
}

func TestLogAccountsForEveryByte(t *testing.T) {
	var l boundedLog
	written := 0
	for i := range 20_000 {
		l.printf(0, "%s", strings.Repeat("y", i%97))
		written += len("    0.000s ") + i%97 + 1
	}
	require.Equal(t, written, l.dropped+len(l.buf))
}
