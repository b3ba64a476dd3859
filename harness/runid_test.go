package harness_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestRunIDFitsIntoNamesAndIsNeverTheSame(t *testing.T) {
	seen := map[string]bool{}
	letters := map[rune]bool{}
	for range 10_000 {
		id := harness.NewRunID()
		require.Regexp(t, `^[a-z2-7]{10}$`, id)
		require.False(t, seen[id])
		seen[id] = true
		for _, r := range id {
			letters[r] = true
		}
	}
	require.Len(t, letters, 32, "5 random bits in each letter, 50 in all")
}
