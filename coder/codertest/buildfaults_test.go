package codertest

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

type seenJob struct {
	Status        string
	Error         string
	QueuePosition int        `json:"queue_position"`
	QueueSize     int        `json:"queue_size"`
	StartedAt     *time.Time `json:"started_at"`
	CompletedAt   *time.Time `json:"completed_at"`
}

type seenBuild struct {
	ID        uuid.UUID
	Status    string
	Job       seenJob
	Resources []struct{ Agents []struct{ Status string } }
}

type seenWorkspace struct {
	ID    uuid.UUID
	Name  string
	Owner string    `json:"owner_name"`
	Build seenBuild `json:"latest_build"`
}

func templateID(t testing.TB, s *Server) string {
	t.Helper()
	var list []struct{ ID string }
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/templates", "").into(t, http.StatusOK, &list)
	return list[0].ID
}

// newWorkspace makes one of the first template.
func newWorkspace(t testing.TB, s *Server, token, name string) (w seenWorkspace) {
	t.Helper()
	ask(t, s, token, "POST", "/api/v2/users/me/workspaces", `{"template_id":"`+templateID(t, s)+`","name":"`+name+`"}`).
		into(t, http.StatusCreated, &w)
	return w
}

func seeBuild(t testing.TB, s *Server, id uuid.UUID) (b seenBuild) {
	t.Helper()
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/workspacebuilds/"+id.String(), "").into(t, http.StatusOK, &b)
	return b
}

// ended waits for the end of a build.
func ended(t testing.TB, s *Server, id uuid.UUID) (b seenBuild) {
	t.Helper()
	until(t, "the build", func() bool {
		b = seeBuild(t, s, id)
		return b.Job.CompletedAt != nil
	})
	return b
}

func TestAFailedBuildSaysWhyAndHasNoAgent(t *testing.T) {
	s := Start(t, Config{BuildTime: Fixed(time.Millisecond), BuildFailureRate: 1, RateLimit: -1})
	w := newWorkspace(t, s, s.OwnerToken(), "w")
	require.Equal(t, "pending", w.Build.Status)
	b := ended(t, s, w.Build.ID)
	require.Equal(t, "failed", b.Status)
	require.Equal(t, "failed", b.Job.Status)
	require.Equal(t, "terraform apply: exit status 1", b.Job.Error)
	for _, r := range b.Resources {
		require.Empty(t, r.Agents)
	}
	require.Error(t, s.KillAgent("admin/w"))
}

func TestTheSeedDecidesWhichBuildsFail(t *testing.T) {
	outcomes := func(seed uint64) (failed []bool) {
		s := Start(t, Config{BuildTime: Fixed(time.Nanosecond), BuildFailureRate: 0.5, RateLimit: -1, Seed: seed})
		for i := range 12 {
			failed = append(failed, ended(t, s, newWorkspace(t, s, s.OwnerToken(), "w"+itoa(i)).Build.ID).Status == "failed")
		}
		return failed
	}
	first := outcomes(1)
	require.Equal(t, first, outcomes(1))
	require.InDelta(t, 6, count(first), 5)
	require.NotEqual(t, first, outcomes(2))
}

func TestABuildTakesItsTimeAndThenHasAnAgent(t *testing.T) {
	const d = 30 * time.Millisecond
	s := Start(t, Config{BuildTime: Fixed(d), RateLimit: -1})
	b := ended(t, s, newWorkspace(t, s, s.OwnerToken(), "w").Build.ID)
	require.Equal(t, "running", b.Status)
	require.GreaterOrEqual(t, b.Job.CompletedAt.Sub(*b.Job.StartedAt), d-time.Millisecond)
	require.Equal(t, "connected", b.Resources[0].Agents[0].Status)
	require.EqualValues(t, 1, s.Stats().Builds)
}

func TestAnAgentIsConnectingUntilItsTimeIsUp(t *testing.T) {
	s := Start(t, Config{BuildTime: Fixed(time.Millisecond), AgentTime: Fixed(time.Hour), RateLimit: -1})
	b := ended(t, s, newWorkspace(t, s, s.OwnerToken(), "w").Build.ID)
	require.Equal(t, "running", b.Status)
	require.Equal(t, "connecting", b.Resources[0].Agents[0].Status)
}

func TestJobsWaitInLineForAProvisioner(t *testing.T) {
	s := Start(t, Config{BuildTime: Fixed(time.Hour), Provisioners: 2, RateLimit: -1})
	var ids []uuid.UUID
	for i := range 5 {
		ids = append(ids, newWorkspace(t, s, s.OwnerToken(), "w"+itoa(i)).Build.ID)
	}
	until(t, "two builds run", func() bool { return seeBuild(t, s, ids[1]).Job.Status == "running" })
	for i, want := range []seenJob{{Status: "running"}, {Status: "running"},
		{Status: "pending", QueuePosition: 1, QueueSize: 3}, {Status: "pending", QueuePosition: 2, QueueSize: 3}, {Status: "pending", QueuePosition: 3, QueueSize: 3}} {
		got := seeBuild(t, s, ids[i]).Job
		got.StartedAt = nil
		require.Equal(t, want, got, "build %d", i)
	}
	ask(t, s, s.OwnerToken(), "PATCH", "/api/v2/workspacebuilds/"+ids[2].String()+"/cancel", "").says(t, http.StatusOK, "canceled")
	require.Equal(t, "canceled", seeBuild(t, s, ids[2]).Status)
	require.Equal(t, 1, seeBuild(t, s, ids[3]).Job.QueuePosition)
	require.Equal(t, "pending", seeBuild(t, s, ids[3]).Status)
}

func TestTheNextJobBeginsWhenOneEnds(t *testing.T) {
	s := Start(t, Config{BuildTime: Fixed(time.Millisecond), Provisioners: 1, BuildFailureRate: 0.5, RateLimit: -1})
	var builds []seenBuild
	for i := range 6 {
		builds = append(builds, newWorkspace(t, s, s.OwnerToken(), "w"+itoa(i)).Build)
	}
	for i := range builds {
		builds[i] = ended(t, s, builds[i].ID)
		if i > 0 {
			require.False(t, builds[i].Job.StartedAt.Before(*builds[i-1].Job.CompletedAt), "two at a time")
		}
	}
}
