package codertest

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOnlyWhatIsStoppedAndDueIsStarted(t *testing.T) {
	s := Start(t, Config{Users: 5, Workspaces: 5, RateLimit: -1, BuildTime: Fixed(time.Millisecond)})
	schedule := func(i int, body string) string {
		w := agentOf(s, "scaletest-user-"+itoa(i)+"/scaletest-"+itoa(i)).build.workspace
		at := "/api/v2/workspaces/" + w.id.String()
		require.Equal(t, http.StatusNoContent, ask(t, s, s.OwnerToken(), "PUT", at+"/autostart", body).status)
		return at
	}
	in := time.Now().UTC().Add(time.Hour).Truncate(time.Minute)
	soon := `{"schedule":"CRON_TZ=UTC ` + itoa(in.Minute()) + " " + itoa(in.Hour()) + ` * * *"}`
	var at []string
	for i := range 5 {
		at = append(at, schedule(i, soon))
	}
	ask(t, s, s.OwnerToken(), "PUT", at[0]+"/autostart", `{"schedule":"daily"}`).says(t, 400, "5 fields")
	for i := range 4 { // the last one goes on running
		ask(t, s, s.OwnerToken(), "POST", at[i]+"/builds", `{"transition":"stop"}`).into(t, 201, &struct{}{})
	}
	until(t, "they are stopped", func() bool {
		s.state.mu.RLock()
		defer s.state.mu.RUnlock()
		stopped := 0
		for _, w := range s.state.workspaceList {
			if w.latest().workspaceStatus() == "stopped" {
				stopped++
			}
		}
		return stopped == 4
	})
	require.Equal(t, http.StatusNoContent, ask(t, s, s.OwnerToken(), "PUT", at[1]+"/autostart", `{"schedule":null}`).status)
	ask(t, s, s.OwnerToken(), "PUT", "/api/v2/users/scaletest-user-2/status/suspend", "").says(t, 200, "suspended")
	ask(t, s, s.OwnerToken(), "PUT", at[3]+"/dormant", `{"dormant":true}`).says(t, 200, "dormant_at")
	require.Zero(t, s.RunAutobuild(time.Now()), "not before its time")
	require.Equal(t, 1, s.RunAutobuild(in))
	require.Zero(t, s.RunAutobuild(in), "only once")
	var w workspaceJSON
	until(t, "it runs", func() bool {
		ask(t, s, s.OwnerToken(), "GET", at[0], "").into(t, 200, &w)
		return w.LatestBuild.Status == "running"
	})
	require.Equal(t, "autostart", w.LatestBuild.Reason)
	require.Equal(t, "scaletest-user-0", w.LatestBuild.InitiatorName)
	s.Close()
	require.Zero(t, s.RunAutobuild(in.AddDate(0, 0, 2)), "a closed deployment starts nothing")
}
