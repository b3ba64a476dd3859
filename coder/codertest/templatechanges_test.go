package codertest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func startWithTemplate(t testing.TB) (s *Server, id string, v seenVersion) {
	s = Start(t, Config{RateLimit: -1, Users: 1, BuildTime: Fixed(time.Millisecond)})
	id, v = newTemplate(t, s, "mine")
	return s, id, v
}

func TestATemplateThatMakesNoSenseIsRefused(t *testing.T) {
	s, _, v := startWithTemplate(t)
	free := imported(t, s, startImport(t, s, uploadTar(t, s, tarOf(t, "y")), "").ID).ID.String()
	for _, c := range []struct {
		body   string
		status int
		says   string
	}{
		{`{}`, http.StatusBadRequest, "template_version_id"},
		{`{"name":"a b","template_version_id":"` + free + `"}`, http.StatusBadRequest, "template_name"},
		{`{"name":"b","description":"` + strings.Repeat("x", 128) + `","template_version_id":"` + free + `"}`, http.StatusBadRequest, "description"},
		{`{"name":"b","default_ttl_ms":-1,"template_version_id":"` + free + `"}`, http.StatusBadRequest, "default_ttl_ms"},
		{`{"name":"b","template_version_id":"` + uuid.NewString() + `"}`, http.StatusNotFound, "does not exist"},
		{`{"name":"b","template_version_id":"` + v.ID.String() + `"}`, http.StatusBadRequest, "already part of a template"},
		{`{"name":"MINE","template_version_id":"` + free + `"}`, http.StatusConflict, "already exists."},
	} {
		ask(t, s, s.OwnerToken(), "POST", templatePath, c.body).says(t, c.status, c.says)
	}
}

func TestMembersUseTemplatesAndChangeNone(t *testing.T) {
	s, id, v := startWithTemplate(t)
	member := memberToken(t, s, memberName)
	body := `{"name":"b","id":"` + v.ID.String() + `","template_version_id":"` + v.ID.String() + `"}`
	for _, r := range [][2]string{{"POST", templatePath}, {"PATCH", "/api/v2/templates/" + id + "/versions"}, {"DELETE", "/api/v2/templates/" + id},
		{"PATCH", "/api/v2/templateversions/" + v.ID.String() + "/cancel"}} {
		ask(t, s, member, r[0], r[1], body).says(t, http.StatusForbidden, "Forbidden.")
	}
	var w seenWorkspace
	ask(t, s, member, "POST", "/api/v2/users/me/workspaces", `{"name":"w","template_id":"`+id+`"}`).into(t, http.StatusCreated, &w)
	require.Equal(t, "running", ended(t, s, w.Build.ID).Status)
}

func TestATemplateWithWorkspacesStays(t *testing.T) {
	s, id, _ := startWithTemplate(t)
	var w seenWorkspace
	ask(t, s, s.OwnerToken(), "POST", "/api/v2/users/me/workspaces", `{"name":"w","template_id":"`+id+`"}`).into(t, http.StatusCreated, &w)
	ended(t, s, w.Build.ID)
	ask(t, s, s.OwnerToken(), "DELETE", "/api/v2/templates/"+id, "").says(t, http.StatusBadRequest, "All workspaces must be deleted")
	ask(t, s, s.OwnerToken(), "POST", "/api/v2/workspaces/"+w.ID.String()+"/builds", `{"transition":"delete"}`).into(t, http.StatusCreated, &w.Build)
	require.Equal(t, "deleted", ended(t, s, w.Build.ID).Status)
	ask(t, s, s.OwnerToken(), "DELETE", "/api/v2/templates/"+id, "").says(t, http.StatusOK, "Template has been deleted!")
	require.Equal(t, http.StatusNotFound, ask(t, s, s.OwnerToken(), "GET", "/api/v2/templates/"+id, "").status)
	ask(t, s, s.OwnerToken(), "POST", "/api/v2/users/me/workspaces", `{"name":"w","template_id":"`+id+`"}`).
		says(t, http.StatusBadRequest, "doesn't exist.")
}

func TestOnlyAGoodVersionOfTheTemplateBecomesActive(t *testing.T) {
	s, id, first := startWithTemplate(t)
	_, other := newTemplate(t, s, "other")
	path := "/api/v2/templates/" + id + "/versions"
	activate := func(v string) answer { return ask(t, s, s.OwnerToken(), "PATCH", path, `{"id":"`+v+`"}`) }
	activate(uuid.NewString()).says(t, http.StatusNotFound, "Template version not found.")
	activate(other.ID.String()).says(t, http.StatusBadRequest, "doesn't belong")
	broken := imported(t, s, startImport(t, s, uploadTar(t, s, []byte(strings.Repeat("x", 1000))), `,"template_id":"`+id+`"`).ID)
	activate(broken.ID.String()).says(t, http.StatusBadRequest, "a failed build")
	good := imported(t, s, startImport(t, s, uploadTar(t, s, tarOf(t, "z")), `,"template_id":"`+id+`","name":"good"`).ID)
	ask(t, s, s.OwnerToken(), "POST", "/api/v2/organizations/default/templateversions",
		`{"storage_method":"file","file_id":"`+uploadTar(t, s, tarOf(t, "q"))+`","provisioner":"terraform","template_id":"`+id+`","name":"good"}`).
		says(t, http.StatusConflict, "already exists.")
	active := func() string {
		var got struct {
			Active string `json:"active_version_id"`
		}
		ask(t, s, s.OwnerToken(), "GET", "/api/v2/templates/"+id, "").into(t, http.StatusOK, &got)
		return got.Active
	}
	require.Equal(t, first.ID.String(), active())
	activate(good.ID.String()).says(t, http.StatusOK, "Updated the active template version!")
	require.Equal(t, good.ID.String(), active())
}

func TestAWorkspaceInheritsTheTTLOfItsTemplate(t *testing.T) {
	s := Start(t, Config{RateLimit: -1, BuildTime: Fixed(time.Millisecond)})
	v := imported(t, s, startImport(t, s, uploadTar(t, s, tarOf(t, "x")), "").ID)
	var made struct{ ID uuid.UUID }
	ask(t, s, s.OwnerToken(), "POST", templatePath, `{"name":"ttl","default_ttl_ms":3600000,"template_version_id":"`+v.ID.String()+`"}`).into(t, http.StatusCreated, &made)
	var w struct {
		TTL int `json:"ttl_ms"`
	}
	ask(t, s, s.OwnerToken(), "POST", "/api/v2/users/me/workspaces", `{"name":"w","template_id":"`+made.ID.String()+`"}`).into(t, http.StatusCreated, &w)
	require.Equal(t, 3600000, w.TTL)
}
