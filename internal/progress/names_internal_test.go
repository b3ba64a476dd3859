package progress

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestANameThatHasASeriesKeepsIt(t *testing.T) {
	n := names{limit: 2}
	for range 2 {
		require.Equal(t, "a", n.of("a"))
		require.Equal(t, "b", n.of("b"))
		require.Equal(t, Other, n.of("c"))
		require.Equal(t, Other, n.of("d"))
	}
}

func TestTheNameOfTheRestTakesNoPlace(t *testing.T) {
	n := names{limit: 1}
	require.Equal(t, Other, n.of(Other))
	require.Equal(t, "a", n.of("a"))
	require.Equal(t, Other, n.of("b"))
	require.Equal(t, Other, new(names).of("a"))
}
