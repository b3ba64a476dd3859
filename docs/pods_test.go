//go:build unix && !scaletest

package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// statefulPod is a name as a pod of a StatefulSet has it. Coder's chart makes none.
var statefulPod = regexp.MustCompile(`\bcoder-\d+\b`)

// TestNoCommandNamesAPodThatADeploymentDoesNotHave reads what people copy from.
func TestNoCommandNamesAPodThatADeploymentDoesNotHave(t *testing.T) {
	read := 0
	for _, root := range []string{"../*.md", "../*.go", "../harness", ".", "../deploy", "../scenario"} {
		paths, err := filepath.Glob(root)
		require.NoError(t, err)
		for _, path := range paths {
			require.NoError(t, filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() || !slices.Contains([]string{".md", ".go", ".yaml", ".json", ".tf"}, filepath.Ext(path)) {
					return err
				}
				text, err := os.ReadFile(path)
				read++
				assert.Empty(t, statefulPod.FindString(string(text)), "in %s: choose a pod by its label", path)
				return err
			}))
		}
	}
	require.Greater(t, read, 100)
}
