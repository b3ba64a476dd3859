//go:build linux && !scaletest

package docs_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/coderscale/scaletest/coder"
)

// TestMain is also 'coder list' for the guide's scripts, which needs more than a shell.
func TestMain(m *testing.M) {
	search := os.Getenv("PLAYED_SEARCH")
	if search == "" {
		os.Exit(m.Run())
	}
	if err := list(context.Background(), search); err != nil {
		fmt.Fprintln(os.Stderr, "played coder:", err)
		os.Exit(1)
	}
}

// list prints a header and a line for each workspace that a search finds.
func list(ctx context.Context, search string) error {
	client, err := coder.New(coder.Config{URL: os.Getenv("CODER_URL"), Token: os.Getenv("CODER_SESSION_TOKEN")})
	if err != nil {
		return err
	}
	found, err := client.AllWorkspaces(ctx, coder.WorkspacesQuery{Search: search})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		fmt.Fprintln(os.Stderr, "No workspaces found!")
		return nil
	}
	fmt.Println("WORKSPACE")
	for _, w := range found {
		fmt.Println(w.FullName())
	}
	return nil
}
