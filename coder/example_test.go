package coder_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
)

// exampleDeployment stands for a deployment, so that the examples run.
func exampleDeployment() *httptest.Server {
	bodies := map[string]string{
		"GET /api/v2/buildinfo":      `{"version":"v2.37.0","provisioner_api_version":"1.18"}`,
		"GET /api/v2/users/me":       `{"username":"admin"}`,
		"GET /api/v2/users/me/roles": `{"roles":["owner"]}`,
		"POST /api/v2/authcheck":     `{"create workspace":true}`,
		"GET /api/v2/workspaces": `{"count":2,"workspaces":[
			{"id":"00000000-0000-4000-8000-000000000002","name":"younger","owner_name":"bob","created_at":"2026-01-02T00:00:00Z"},
			{"id":"00000000-0000-4000-8000-000000000001","name":"older","owner_name":"alice","created_at":"2026-01-01T00:00:00Z"}]}`,
		"POST /api/v2/users/me/workspaces": `{"name":"scaletest-1","latest_build":{"id":"00000000-0000-4000-8000-00000000000b"}}`,
		"GET /api/v2/workspacebuilds/{id}": `{"status":"running","transition":"start","job":{"status":"succeeded",
			"created_at":"2026-01-01T00:00:00Z","started_at":"2026-01-01T00:00:01Z","completed_at":"2026-01-01T00:00:04Z"}}`,
	}
	mux := http.NewServeMux()
	for pattern, body := range bodies {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Coder-Build-Version", "v2.37.0")
			reply(w, http.StatusOK, body)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Coder-Build-Version", "v2.37.0")
		reply(w, http.StatusNotFound, `{"message":"Resource not found or you do not have access to this resource"}`)
	})
	return httptest.NewServer(mux)
}

func Example() {
	server := exampleDeployment()
	defer server.Close()
	ctx := context.Background()

	client, err := coder.New(coder.Config{URL: server.URL, Token: "example-token"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseIdleConnections()

	found, err := client.Preflight(ctx, coder.PreflightOptions{
		Need: []coder.Permission{{Action: "create", ResourceType: "workspace"}},
	})
	if err != nil {
		fmt.Println(err) // one sentence: the URL, TLS, a proxy, the token, a right
		return
	}
	fmt.Println(found.User.Username, found.Owner, found.BuildInfo.Version)

	all, err := client.AllWorkspaces(ctx, coder.WorkspacesQuery{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, w := range all {
		fmt.Println(w.FullName())
	}
	// Output:
	// admin true v2.37.0
	// alice/older
	// bob/younger
}

func ExampleClient_WaitBuild() {
	server := exampleDeployment()
	defer server.Close()
	ctx := context.Background()
	client, err := coder.New(coder.Config{URL: server.URL, Token: "example-token"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseIdleConnections()

	w, err := client.CreateWorkspace(ctx, coder.Me, coder.CreateWorkspaceRequest{Name: "scaletest-1", TemplateID: uuid.New()})
	if err != nil {
		fmt.Println(err)
		return
	}
	build, err := client.WaitBuild(ctx, w.LatestBuild.ID)
	if failed, ok := errors.AsType[*coder.JobError](err); ok {
		fmt.Println("delete it all the same:", failed)
		return
	}
	fmt.Println(build.Status, "queued", build.Job.QueueTime(), "ran", build.Job.RunTime())
	// Output:
	// running queued 1s ran 3s
}

func ExampleIsNotFound() {
	server := exampleDeployment()
	defer server.Close()
	client, err := coder.New(coder.Config{URL: server.URL, Token: "example-token"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseIdleConnections()

	_, err = client.User(context.Background(), "nobody")
	fmt.Println(coder.IsNotFound(err))
	fmt.Println(err)
	// Output:
	// true
	// read user nobody: Resource not found or you do not have access to this resource (404 from GET /api/v2/users/nobody)
}

// Each simulated user has a token and connections of its own. A request that
// a runner makes itself gets its headers from the client.
func ExampleClient_Isolated() {
	server := exampleDeployment()
	defer server.Close()
	client, err := coder.New(coder.Config{URL: server.URL, Token: "example-token"})
	if err != nil {
		fmt.Println(err)
		return
	}
	user := client.WithToken("user-token").Isolated()
	defer user.CloseIdleConnections()

	h := http.Header{}
	user.AuthHeader(h)
	fmt.Println(h.Get("Coder-Session-Token"), user.PathAppURL("alice", "w", "main", "web").Path)
	// Output:
	// user-token /@alice/w.main/apps/web/
}
