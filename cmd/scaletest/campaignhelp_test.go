package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/internal/campaign"
)

func TestTheHelpOfACampaignShowsAConfigurationThatIsOne(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.Equal(t, exitOK, run(t.Context(), []string{"campaign", "-help"}, streams{&out, io.Discard}))
	shown := regexp.MustCompile(`(?ms)^  \{\n.*?^  \}\n`).FindString(out.String())
	require.NotEmpty(t, shown, out.String())
	path := filepath.Join(t.TempDir(), "campaign.json")
	require.NoError(t, os.WriteFile(path, []byte(shown), 0o600))
	cfg, err := campaign.ReadConfig(path)
	require.NoError(t, err)
	require.Len(t, cfg.Loads, 1)
	for _, named := range regexp.MustCompile(`\bdocs/\S+\.md\b`).FindAllString(out.String(), -1) {
		require.FileExists(t, filepath.Join("..", "..", named))
	}
	require.Contains(t, out.String(), "docs/campaigns.md")
	out.Reset()
	require.Equal(t, exitOK, run(t.Context(), []string{"cleanup", "-help"}, streams{&out, io.Discard}))
	require.NotContains(t, out.String(), "campaign", "it is the help of another command")
}
