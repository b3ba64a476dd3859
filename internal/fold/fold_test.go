package fold_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/internal/fold"
)

func TestANameThatHasASeriesKeepsIt(t *testing.T) {
	n := fold.NewNames(2)
	for range 2 {
		require.Equal(t, "a", n.Of("a"))
		require.Equal(t, "b", n.Of("b"))
		require.Equal(t, fold.Other, n.Of("c"))
		require.Equal(t, fold.Other, n.Of("d"))
	}
}

func TestTheNameOfTheRestTakesNoPlace(t *testing.T) {
	n := fold.NewNames(1)
	require.Equal(t, fold.Other, n.Of(fold.Other))
	require.Equal(t, "a", n.Of("a"))
	require.Equal(t, fold.Other, n.Of("b"))
	require.Equal(t, fold.Other, new(fold.Names).Of("a"))
}
