package codertest

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestADryRunIsAJobThatMakesNothing(t *testing.T) {
	s := Start(t, Config{Users: 1, RateLimit: -1, BuildTime: Fixed(20 * time.Millisecond), Provisioners: 1})
	var templates []templateJSON
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/templates", "").into(t, 200, &templates)
	at := "/api/v2/templateversions/" + templates[0].ActiveVersionID.String() + "/dry-run"
	ask(t, s, s.OwnerToken(), "POST", at, "{").says(t, 400, "valid JSON")
	ask(t, s, s.OwnerToken(), "POST", at, `{"rich_parameter_values":[{"name":"size","value":"huge"}]}`).says(t, 400, "size")
	ask(t, s, s.OwnerToken(), "GET", at+"/"+uuid.NewString(), "").says(t, 404, "not found")
	var first, second jobJSON
	ask(t, s, s.OwnerToken(), "POST", at, `{"workspace_name":"dry"}`).into(t, 201, &first)
	ask(t, s, s.OwnerToken(), "POST", at, `{"workspace_name":"dry"}`).into(t, 201, &second)
	ask(t, s, memberToken(t, s, "scaletest-user-0"), "GET", at+"/"+first.ID.String(), "").says(t, 404, "not found")
	ask(t, s, s.OwnerToken(), "PATCH", at+"/"+second.ID.String()+"/cancel", "").says(t, 200, "canceled")
	for _, job := range []*jobJSON{&first, &second} {
		until(t, "it ends", func() bool {
			ask(t, s, s.OwnerToken(), "GET", at+"/"+job.ID.String(), "").into(t, 200, job)
			return jobDone(job.Status)
		})
	}
	require.Equal(t, "succeeded", first.Status)
	require.Equal(t, "canceled", second.Status)
	ask(t, s, s.OwnerToken(), "PATCH", at+"/"+first.ID.String()+"/cancel", "").says(t, 400, "already completed")
	var resources []resourceJSON
	ask(t, s, s.OwnerToken(), "GET", at+"/"+first.ID.String()+"/resources", "").into(t, 200, &resources)
	require.Equal(t, "connecting", resources[0].Agents[0].Status)
	var lines []logJSON
	ask(t, s, s.OwnerToken(), "GET", at+"/"+first.ID.String()+"/logs", "").into(t, 200, &lines)
	require.Len(t, lines, len(buildStages))
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/workspaces", "").says(t, 200, `"count":0`)
}

func TestAUserLeavesTheOrganizationAndComesBack(t *testing.T) {
	s := Start(t, Config{Users: 2, RateLimit: -1})
	const at, members = "/api/v2/organizations/default/members/scaletest-user-0", "/api/v2/organizations/default/members"
	member := memberToken(t, s, "scaletest-user-1")
	ask(t, s, member, "DELETE", at, "").says(t, 404, "not found")
	ask(t, s, s.OwnerToken(), "DELETE", "/api/v2/organizations/default/members/me", "").says(t, 400, "self")
	ask(t, s, s.OwnerToken(), "POST", at, "").says(t, 409, "already")
	require.Equal(t, http.StatusNoContent, ask(t, s, s.OwnerToken(), "DELETE", at, "").status)
	ask(t, s, s.OwnerToken(), "DELETE", at, "").says(t, 404, "not found")
	require.NotContains(t, string(ask(t, s, s.OwnerToken(), "GET", members, "").body), "scaletest-user-0")
	var u userJSON
	ask(t, s, s.OwnerToken(), "GET", "/api/v2/users/scaletest-user-0", "").into(t, 200, &u)
	require.Empty(t, u.OrganizationIDs)
	ask(t, s, s.OwnerToken(), "POST", at, "").says(t, 200, "scaletest-user-0")
	ask(t, s, s.OwnerToken(), "GET", members, "").says(t, 200, "scaletest-user-0")
}
