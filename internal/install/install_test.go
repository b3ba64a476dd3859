package install_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/internal/install"
)

func same(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	require.NoError(t, err)
	y, err := os.ReadFile(b)
	require.NoError(t, err)
	require.True(t, bytes.Equal(x, y), "%s is not %s", b, a)
}

func TestAProgramIsCopiedAsAWholeAndEverybodyMayRunIt(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	to := filepath.Join(dir, "program")
	require.NoError(t, install.Self(to))
	same(t, self, to)
	require.NoError(t, install.Beside(filepath.Base(self), dir))
	same(t, self, filepath.Join(dir, filepath.Base(self)))
	for _, name := range []string{"program", filepath.Base(self)} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o755), info.Mode().Perm())
	}
}

func TestWhatCanNotBeInstalledLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	err := install.Beside("no-such-program", dir)
	require.ErrorContains(t, err, "install no-such-program in "+dir+": ")
	require.ErrorContains(t, err, "want it beside this program")
	require.ErrorContains(t, install.Self(filepath.Join(dir, "no-such-folder", "x")), "install this program as ")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}
