package harness_test

import (
	"strings"
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

func TestARunIDOfAUUIDIsTheSameForAllWhoHaveIt(t *testing.T) {
	const uid = "3f1c9d6e-52a1-4b0a-9d0f-0b8a6a3d7e21"
	id, err := harness.RunIDOf(uid)
	require.NoError(t, err)
	require.Regexp(t, `^[a-z2-7]{10}$`, id)
	again, err := harness.RunIDOf(strings.ToUpper(uid))
	require.NoError(t, err)
	require.Equal(t, id, again)
	other, err := harness.RunIDOf("3f1c9d6e-52a1-4b0a-9d0f-0b8a6a3d7e22")
	require.NoError(t, err)
	require.NotEqual(t, id, other)
}

func TestARunIDIsLeftAsItIsOrRefused(t *testing.T) {
	for _, text := range []string{"a", "nightly-7", "abcdefghij23456"} {
		id, err := harness.RunIDOf(text)
		require.NoError(t, err)
		require.Equal(t, text, id)
	}
	for _, text := range []string{"", "Nightly", "-a", "abcdefghij234567", "3f1c9d6e-52a1-4b0a-9d0f-0b8a6a3d7e2"} {
		_, err := harness.RunIDOf(text)
		require.ErrorContains(t, err, "want at most 15 lower-case letters", text)
	}
}
