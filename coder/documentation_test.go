package coder_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryCallNamesItsEndpoint reads the source: who uses a method that
// sends something must be able to see what.
func TestEveryCallNamesItsEndpoint(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	endpoint := regexp.MustCompile(`(?m)^(GET|POST|PUT|PATCH|DELETE) [/{]`)
	calls := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		tree, err := parser.ParseFile(token.NewFileSet(), file, source, parser.ParseComments)
		require.NoError(t, err)
		for _, d := range tree.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !f.Name.IsExported() || f.Recv == nil || f.Type.Results == nil || // what sends something can fail
				!strings.Contains(string(source[f.Recv.Pos()-1:f.Type.End()-1]), "ctx context.Context") {
				continue
			}
			if file == "session.go" {
				continue // what is sent is the caller's business
			}
			calls++
			assert.Regexp(t, endpoint, f.Doc.Text(), "%s: %s", file, f.Name.Name)
		}
	}
	assert.Greater(t, calls, 60)
}
