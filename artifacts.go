package scaletest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// artifacts is the folder that a test's results go to. It is "" if nobody asked
// for one and none should be made. Shards have folders of their own in it, since they
// may be given the same one.
func artifacts(tb TB, cfg Config, onlyAsked bool) (string, error) {
	if cfg.Artifacts != "" {
		dir := filepath.Join(cfg.Artifacts, strings.ReplaceAll(tb.Name(), "/", "_"), cfg.Sharding.folder())
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", fmt.Errorf("CODER_SCALETEST_ARTIFACTS is %q, want a folder that can be written: %w", cfg.Artifacts, err)
		}
		return dir, nil
	}
	if dir := testFolder(tb); dir != "" {
		return dir, nil
	}
	if onlyAsked {
		return "", nil
	}
	root, err := temporary()
	if err == nil {
		root = filepath.Join(root, strings.ReplaceAll(tb.Name(), "/", "_"))
		err = os.MkdirAll(root, 0o700)
	}
	if err != nil {
		return "", fmt.Errorf("make a folder for results: %w", err)
	}
	return root, nil
}

// temporary is one folder for all tests of this process.
var temporary = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "scaletest-") })

// testFolder is the folder that go test -artifacts keeps for a test, or "".
func testFolder(tb TB) string {
	a, ok := tb.(interface{ ArtifactDir() string })
	f := flag.Lookup("test.artifacts")
	if !ok || f == nil || f.Value.String() != "true" {
		return ""
	}
	return a.ArtifactDir()
}
