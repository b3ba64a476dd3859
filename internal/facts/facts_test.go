package facts_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/internal/facts"
)

func TestALongTextGoesOnBelowItself(t *testing.T) {
	var b strings.Builder
	facts.Write(&b, 6, "name", strings.Repeat("word ", 20))
	facts.Write(&b, 6, "longname", "x  y\nz")
	facts.Write(&b, 6, "empty", "")
	require.Equal(t, "name  "+strings.TrimSpace(strings.Repeat("word ", 14))+"\n"+
		"      word word word word word word\n"+
		"longname x y z\n"+
		"empty \n", b.String())
	for line := range strings.Lines(b.String()) {
		require.LessOrEqual(t, len(strings.TrimRight(line, "\n")), facts.Width)
	}
}
