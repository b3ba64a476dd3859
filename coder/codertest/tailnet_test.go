package codertest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAVersionOfTheTailnetIsRefusedThatTheServerDoesNotSpeak(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"2.0": "", "2.11": "", "1.0": "no longer supported", "2.12": "behind requested minor version 2.12",
		"3.0": "behind requested major version 3.0", "": "invalid version string", "2": "invalid", "2.x": "invalid",
	} {
		got := unsupportedVersion(version, "2.11")
		if want == "" {
			require.Empty(t, got, version)
		}
		require.Contains(t, got, want, version)
	}
}

func TestWhoWantsATailnetIsToldThatThereIsNone(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, RateLimit: -1})
	at := "/api/v2/workspaceagents/" + agentOf(s, "admin/scaletest-0").id.String() + "/coordinate"
	ask(t, s, "", "GET", at, "").says(t, 401, "signed out")
	ask(t, s, s.OwnerToken(), "GET", at, "").says(t, 400, "no longer supported")
	ask(t, s, s.OwnerToken(), "GET", at+"?version=2.0", "").says(t, 426, "Upgrade")
	_, resp, err := openApp(t, s.URL(), "/api/v2/tailnet?version=2.0", s.OwnerToken())
	require.Error(t, err)
	require.Equal(t, 501, resp.StatusCode)
	ask(t, s, "c42fdf75-3097-471c-8c33-fb52454d81c0", "GET", "/api/v2/workspaceagents/me/rpc", "").says(t, 401, "not authorized")
}
