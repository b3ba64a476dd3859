package codertest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

const templatePath = "/api/v2/organizations/default/templates"

func tarOf(t testing.TB, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "main.tf", Mode: 0o644, Size: int64(len(content))}))
	_, err := w.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func zipOf(t testing.TB, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("main.tf")
	require.NoError(t, err)
	_, err = w.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

func uploadAs(t testing.TB, s *Server, token, kind string, data []byte) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL()+"/api/v2/files", bytes.NewReader(data))
	require.NoError(t, err)
	req.Close = true
	req.Header.Set("Coder-Session-Token", token)
	req.Header.Set("Content-Type", kind)
	a, err := send(req)
	require.NoError(t, err)
	return a
}

func uploadTar(t testing.TB, s *Server, data []byte) string {
	t.Helper()
	var f struct{ Hash uuid.UUID }
	uploadAs(t, s, s.OwnerToken(), "application/x-tar", data).into(t, http.StatusCreated, &f)
	return f.Hash.String()
}

type seenVersion struct {
	ID         uuid.UUID
	TemplateID *uuid.UUID `json:"template_id"`
	Name       string
	Job        seenJob
	Matched    struct{ Count int } `json:"matched_provisioners"`
}

func startImport(t testing.TB, s *Server, file, more string) (v seenVersion) {
	t.Helper()
	ask(t, s, s.OwnerToken(), "POST", templatePath[:len(templatePath)-1]+"versions",
		`{"storage_method":"file","file_id":"`+file+`","provisioner":"terraform"`+more+`}`).into(t, http.StatusCreated, &v)
	return v
}

func imported(t testing.TB, s *Server, id uuid.UUID) (v seenVersion) {
	t.Helper()
	until(t, "the import", func() bool {
		ask(t, s, s.OwnerToken(), "GET", "/api/v2/templateversions/"+id.String(), "").into(t, http.StatusOK, &v)
		return v.Job.CompletedAt != nil
	})
	return v
}

// newTemplate uploads, imports and creates.
func newTemplate(t testing.TB, s *Server, name string) (id string, v seenVersion) {
	t.Helper()
	v = imported(t, s, startImport(t, s, uploadTar(t, s, tarOf(t, name)), "").ID)
	var made struct{ ID uuid.UUID }
	ask(t, s, s.OwnerToken(), "POST", templatePath, `{"name":"`+name+`","template_version_id":"`+v.ID.String()+`"}`).
		into(t, http.StatusCreated, &made)
	return made.ID.String(), v
}

func TestAFileThatIsNoArchiveIsRefused(t *testing.T) {
	s := Start(t, Config{RateLimit: -1, Users: 1})
	uploadAs(t, s, s.OwnerToken(), "text/plain", []byte("x")).says(t, http.StatusBadRequest, "Unsupported content type header")
	uploadAs(t, s, s.OwnerToken(), "application/zip", []byte("x")).says(t, http.StatusBadRequest, "Incomplete .zip archive file.")
	uploadAs(t, s, memberToken(t, s, memberName), "application/x-tar", nil).says(t, http.StatusForbidden, "Forbidden.")
	require.Equal(t, http.StatusUnauthorized, uploadAs(t, s, "", "application/x-tar", nil).status)
}

func TestTheSameFileIsKeptOnce(t *testing.T) {
	s := Start(t, Config{})
	var first, second struct{ Hash uuid.UUID }
	data := tarOf(t, strings.Repeat("x", 5<<20)) // more than other requests may carry
	uploadAs(t, s, s.OwnerToken(), "application/x-tar", data).into(t, http.StatusCreated, &first)
	uploadAs(t, s, s.OwnerToken(), "application/x-tar", data).into(t, http.StatusOK, &second)
	require.Equal(t, first, second)
	a := ask(t, s, s.OwnerToken(), "GET", "/api/v2/files/"+first.Hash.String(), "")
	require.Equal(t, "application/x-tar", a.header.Get("Content-Type"))
	require.True(t, bytes.Equal(data, a.body))
}

func TestAZipIsKeptAsTar(t *testing.T) {
	s := Start(t, Config{})
	var f struct{ Hash uuid.UUID }
	uploadAs(t, s, s.OwnerToken(), "application/zip", zipOf(t, "x")).into(t, http.StatusCreated, &f)
	require.Equal(t, tarOf(t, "x"), ask(t, s, s.OwnerToken(), "GET", "/api/v2/files/"+f.Hash.String(), "").body)
}

func TestTheThirteenthUploadOfAMinuteIsRefused(t *testing.T) {
	s := Start(t, Config{clock: atNoon})
	for i := range 12 {
		uploadTar(t, s, tarOf(t, itoa(i)))
	}
	a := uploadAs(t, s, s.OwnerToken(), "application/x-tar", nil)
	a.says(t, http.StatusTooManyRequests, "more than 12 requests in 1m0s")
	require.Equal(t, "60", a.header.Get("Retry-After"))
}

func TestAnImportThatMakesNoSenseIsRefused(t *testing.T) {
	s := Start(t, Config{RateLimit: -1, Users: 1})
	file := uploadTar(t, s, tarOf(t, "x"))
	path := "/api/v2/organizations/default/templateversions"
	for _, c := range []struct {
		body   string
		status int
		says   string
	}{
		{`{`, http.StatusBadRequest, "valid JSON"},
		{`{}`, http.StatusBadRequest, "storage_method"},
		{`{"storage_method":"file","provisioner":"x"}`, http.StatusBadRequest, "provisioner"},
		{`{"storage_method":"file","provisioner":"echo","name":"a b"}`, http.StatusBadRequest, "template_version_name"},
		{`{"storage_method":"file","provisioner":"echo"}`, http.StatusNotFound, "File not found."},
		{`{"storage_method":"file","provisioner":"echo","file_id":"` + file + `","template_id":"` + uuid.NewString() + `"}`, http.StatusNotFound, "Template does not exist."},
	} {
		ask(t, s, s.OwnerToken(), "POST", path, c.body).says(t, c.status, c.says)
	}
	ask(t, s, memberToken(t, s, memberName), "POST", path, `{"storage_method":"file","provisioner":"echo","file_id":"`+file+`"}`).
		says(t, http.StatusForbidden, "Forbidden.")
	require.Equal(t, http.StatusNotFound, ask(t, s, s.OwnerToken(), "POST", "/api/v2/organizations/none/templateversions", `{}`).status)
}

func TestABrokenArchiveFailsItsImportAndMakesNoWorkspace(t *testing.T) {
	s := Start(t, Config{RateLimit: -1, BuildTime: Fixed(time.Millisecond)})
	v := imported(t, s, startImport(t, s, uploadTar(t, s, bytes.Repeat([]byte("x"), 2000)), "").ID)
	require.Equal(t, "failed", v.Job.Status)
	require.Contains(t, v.Job.Error, "unpack the template")
	var made struct{ ID uuid.UUID }
	ask(t, s, s.OwnerToken(), "POST", templatePath, `{"name":"broken","template_version_id":"`+v.ID.String()+`"}`).into(t, http.StatusCreated, &made)
	ask(t, s, s.OwnerToken(), "POST", "/api/v2/users/me/workspaces", `{"name":"w","template_id":"`+made.ID.String()+`"}`).
		says(t, http.StatusBadRequest, "has failed to import")
}

func TestAnImportWaitsRunsAndTellsItsLog(t *testing.T) {
	s := Start(t, Config{RateLimit: -1, BuildTime: Fixed(50 * time.Millisecond), Provisioners: 1})
	file := uploadTar(t, s, tarOf(t, "x"))
	first, second := startImport(t, s, file, `,"name":"v_1.0"`), startImport(t, s, file, "")
	require.Equal(t, "v_1.0", first.Name)
	require.Equal(t, "pending", first.Job.Status)
	require.Equal(t, 1, first.Matched.Count)
	require.Nil(t, first.TemplateID)
	require.NotEmpty(t, second.Name)
	u := "ws" + strings.TrimPrefix(s.URL(), "http") + "/api/v2/templateversions/" + first.ID.String() + "/logs?follow"
	ws, _, err := websocket.DefaultDialer.Dial(u, http.Header{"Coder-Session-Token": {s.OwnerToken()}})
	require.NoError(t, err)
	defer ws.Close()
	var followed []logJSON
	for {
		var l logJSON
		if err := ws.ReadJSON(&l); err != nil {
			require.True(t, websocket.IsCloseError(err, websocket.CloseNormalClosure), "%v", err)
			break
		}
		followed = append(followed, l)
	}
	a, b := imported(t, s, first.ID), imported(t, s, second.ID)
	require.Equal(t, "succeeded", a.Job.Status)
	require.False(t, b.Job.StartedAt.Before(*a.Job.CompletedAt), "one provisioner ran two jobs")
	var logs []logJSON
	path := "/api/v2/templateversions/" + first.ID.String()
	ask(t, s, s.OwnerToken(), "GET", path+"/logs", "").into(t, http.StatusOK, &logs)
	require.Equal(t, logs, followed)
	require.Equal(t, "Cleaning Up", logs[len(logs)-1].Stage)
	ask(t, s, s.OwnerToken(), "GET", path+"/logs?after="+itoa(int(logs[1].ID)), "").into(t, http.StatusOK, &followed)
	require.Equal(t, logs[2:], followed)
	var parameters []parameterJSON
	ask(t, s, s.OwnerToken(), "GET", path+"/rich-parameters", "").into(t, http.StatusOK, &parameters)
	require.Equal(t, Config{}.parameters(), parameters)
}

func TestACanceledImportIsOfNoUse(t *testing.T) {
	s := Start(t, Config{RateLimit: -1, BuildTime: Fixed(time.Hour), Provisioners: 1})
	file := uploadTar(t, s, tarOf(t, "x"))
	running, waiting := startImport(t, s, file, ""), startImport(t, s, file, "")
	at := func(v seenVersion) string { return "/api/v2/templateversions/" + v.ID.String() }
	status := func(v seenVersion) string {
		ask(t, s, s.OwnerToken(), "GET", at(v), "").into(t, http.StatusOK, &v)
		return v.Job.Status
	}
	until(t, "an import runs", func() bool { return status(running) == "running" })
	for _, v := range []seenVersion{waiting, running} {
		ask(t, s, s.OwnerToken(), "PATCH", at(v)+"/cancel", "").says(t, http.StatusOK, "marked as canceled")
		require.Equal(t, http.StatusBadRequest, ask(t, s, s.OwnerToken(), "PATCH", at(v)+"/cancel", "").status, "twice")
	}
	require.Equal(t, "canceled", status(waiting))
	require.Equal(t, "canceling", status(running))
	for v, want := range map[uuid.UUID]int{waiting.ID: http.StatusBadRequest, running.ID: http.StatusNotAcceptable} {
		name := "t" + itoa(want)
		require.Equal(t, http.StatusCreated, ask(t, s, s.OwnerToken(), "POST", templatePath, `{"name":"`+name+`","template_version_id":"`+v.String()+`"}`).status)
		a := ask(t, s, s.OwnerToken(), "POST", "/api/v2/users/me/workspaces", `{"name":"w","template_version_id":"`+v.String()+`"}`)
		require.Equal(t, want, a.status, "%s", a.body)
	}
}
