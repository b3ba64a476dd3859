package agentfleet

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
)

// embedded is a deployment with everything.
func embedded(t *testing.T, cfg codertest.Config) (*codertest.Server, *coder.Client) {
	t.Helper()
	cfg.RateLimit = -1
	if cfg.BuildTime == (codertest.Latency{}) {
		cfg.BuildTime = codertest.Fixed(time.Millisecond)
	}
	s := codertest.Start(t, cfg)
	return s, clientOf(t, s, s.OwnerToken())
}

func clientOf(t *testing.T, s *codertest.Server, token string) *coder.Client {
	t.Helper()
	c, err := coder.New(coder.Config{URL: s.URL(), Token: token, PollInterval: 5 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// memberToken is that of a user without rights.
func memberToken(t *testing.T, s *codertest.Server) string {
	t.Helper()
	login, err := clientOf(t, s, "").Login(t.Context(), "scaletest-user-0@example.com", "Passw0rd!scaletest-user-0")
	require.NoError(t, err)
	return login
}

func TestTheTemplateForPeopleIsTheOneThatIsUploaded(t *testing.T) {
	for _, name := range []string{"main.tf", "README.md"} {
		here, err := os.ReadFile(filepath.Join("simulated", name))
		require.NoError(t, err)
		there, err := os.ReadFile(filepath.Join("..", "..", "deploy", "templates", "simulated", name))
		require.NoError(t, err)
		assert.Equal(t, string(here), string(there), "copy coder/agentfleet/simulated/%s to deploy/templates/simulated", name)
	}
	files, err := simulated.ReadDir("simulated")
	require.NoError(t, err)
	assert.Len(t, files, 2)
}

func TestTheArchiveIsAlwaysTheSame(t *testing.T) {
	a, nameA, err := source()
	require.NoError(t, err)
	b, nameB, err := source()
	require.NoError(t, err)
	assert.Equal(t, a, b, "every run would make another version of the template")
	assert.Equal(t, nameA, nameB)
}

func TestAPoolIsMadeOnceAndUsedAgain(t *testing.T) {
	_, c := embedded(t, codertest.Config{})
	var lines []string
	var mu sync.Mutex
	p := Pool{Client: c, Count: 3, Progress: func(l string) { mu.Lock(); lines = append(lines, l); mu.Unlock() }}
	first, err := p.Ensure(t.Context())
	require.NoError(t, err)
	require.Len(t, first, 3)
	assert.Equal(t, "admin/scaletest-sim-1", first[1].Workspace)
	assert.False(t, first[1].Token.IsZero())
	assert.Equal(t, []string{"template scaletest-simulated: importing it", "3 of 3 workspaces run"}, lines)

	there, err := p.withDefaults().workspaces(t.Context())
	require.NoError(t, err)
	_, err = c.CreateBuild(t.Context(), there[1].ID, coder.CreateBuildRequest{Transition: coder.TransitionStop})
	require.NoError(t, err)
	p.Count = 5
	second, err := p.Ensure(t.Context())
	require.NoError(t, err)
	require.Len(t, second, 5)
	assert.Equal(t, first[0].Token.reveal(), second[0].Token.reveal(), "what ran was built again")
	assert.NotEqual(t, first[1].Token.reveal(), second[1].Token.reveal())
	versions, err := c.TemplateVersions(t.Context(), there[0].TemplateID)
	require.NoError(t, err)
	assert.Len(t, versions, 1, "the template's content is the same")

	deleted, err := p.Delete(t.Context())
	require.NoError(t, err)
	assert.Equal(t, Deleted{Gone: 5}, deleted)
	deleted, err = p.Delete(t.Context())
	require.NoError(t, err)
	assert.Zero(t, deleted)
}

func TestAPoolGoesOnAfterFailedBuilds(t *testing.T) {
	_, c := embedded(t, codertest.Config{BuildFailureRate: 0.5, Seed: 7})
	p := Pool{Client: c, Count: 12}
	agents, err := p.Ensure(t.Context())
	for try := 0; err != nil && try < 10; try++ {
		require.ErrorContains(t, err, "of 12 workspaces don't run, for example workspace scaletest-sim-")
		agents, err = p.Ensure(t.Context())
	}
	require.NoError(t, err)
	assert.Len(t, agents, 12)
}

func TestAPoolWithoutHopeStopsEarly(t *testing.T) {
	s, c := embedded(t, codertest.Config{})
	p := Pool{Client: c, Count: 200}
	_, err := p.Push(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.SetRoutes([]codertest.RouteFault{{Method: "POST", Path: "/api/v2/users", ErrorRate: 1, ErrorStatus: 403}}))
	_, err = p.Ensure(t.Context())
	require.ErrorContains(t, err, "200 of 200 workspaces don't run, for example workspace")
	require.ErrorContains(t, err, "(403 from POST")
	// The fault stays: a request that was given up may still arrive.
	there, err := p.withDefaults().workspaces(t.Context())
	require.NoError(t, err)
	assert.Empty(t, there)
}

func TestAMemberDeletesWithoutOrphaning(t *testing.T) {
	s, c := embedded(t, codertest.Config{Users: 1})
	_, err := Pool{Client: c}.Push(t.Context())
	require.NoError(t, err)
	member := clientOf(t, s, memberToken(t, s))
	p := Pool{Client: member, Count: 3}
	agents, err := p.Ensure(t.Context())
	require.NoError(t, err, "whoever owns workspaces needs no right on the template")
	assert.Len(t, agents, 3)
	deleted, err := p.Delete(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 3, deleted.Gone)
}

func TestWhatCanNotBeDeletedIsNamed(t *testing.T) {
	s, c := embedded(t, codertest.Config{})
	p := Pool{Client: c, Count: 3}
	_, err := p.Ensure(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.SetRoutes([]codertest.RouteFault{{Method: "POST", Path: "/api/v2/workspaces/*/builds", ErrorRate: 1, ErrorStatus: 500}}))
	deleted, err := p.Delete(t.Context())
	require.ErrorContains(t, err, "3 of 3 workspaces are left, for example scaletest-sim-0: ")
	assert.Equal(t, []string{"scaletest-sim-0", "scaletest-sim-1", "scaletest-sim-2"}, deleted.Left)
}

func TestANameThatSomebodyHasTakenIsNotTouched(t *testing.T) {
	_, c := embedded(t, codertest.Config{})
	templates, err := c.TemplatesNamed(t.Context(), "scaletest")
	require.NoError(t, err)
	_, err = c.CreateWorkspace(t.Context(), coder.Me, coder.CreateWorkspaceRequest{Name: "scaletest-sim-0", TemplateID: templates[0].ID})
	require.NoError(t, err)
	p := Pool{Client: c, Count: 1}
	_, err = p.Ensure(t.Context())
	require.ErrorContains(t, err, "there is one of template scaletest already")
	_, err = p.Delete(t.Context())
	require.NoError(t, err)
	_, err = c.WorkspaceByOwnerAndName(t.Context(), coder.Me, "scaletest-sim-0")
	require.NoError(t, err)
}

func TestWithoutAProvisionerNothingIsUploaded(t *testing.T) {
	for list, says := range map[string]string{
		`[]`: "it has: none at all",
		`[{"provisioners":["echo"]},{"provisioners":["terraform"],"status":"offline"}]`: "it has: echo)",
	} {
		uploads := 0
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Coder-Build-Version", "v2.37.0")
			switch {
			case strings.HasSuffix(r.URL.Path, "/provisionerdaemons"):
				_, _ = w.Write([]byte(list))
			case r.Method == http.MethodPost:
				uploads++
				fallthrough
			default:
				w.WriteHeader(http.StatusNotFound)
				_, _ = w.Write([]byte(`{"message":"Resource not found"}`))
			}
		})}
		p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		ended := make(chan struct{})
		go func() { _ = srv.Serve(p); close(ended) }()
		c, err := coder.New(coder.Config{URL: "http://coder.test", Token: "x", DialContext: p.dial, MaxRetries: -1})
		require.NoError(t, err)
		_, err = Pool{Client: c, Count: 1}.Ensure(t.Context())
		require.ErrorContains(t, err, "has no provisioner daemon that runs terraform")
		require.ErrorContains(t, err, says)
		assert.Zero(t, uploads)
		c.CloseIdleConnections()
		_ = srv.Close()
		<-ended
	}
}

func TestTokensComeFromTheStateWhereTheTemplateHidesThem(t *testing.T) {
	s, c := embedded(t, codertest.Config{Workspaces: 3, Users: 1, ExternalAgents: true})
	page, err := c.Workspaces(t.Context(), coder.WorkspacesQuery{})
	require.NoError(t, err)
	for i := range page.Workspaces { // as of a template that does not show them
		for j := range page.Workspaces[i].LatestBuild.Resources {
			page.Workspaces[i].LatestBuild.Resources[j].Metadata = nil
		}
	}
	agents, err := FindAgents(t.Context(), c, page.Workspaces)
	require.NoError(t, err)
	require.Len(t, agents, 3)
	for _, a := range agents {
		want, err := s.AgentToken(a.Workspace)
		require.NoError(t, err)
		assert.Equal(t, want, a.Token.reveal())
	}

	_, err = FindAgents(t.Context(), clientOf(t, s, memberToken(t, s)), page.Workspaces[:2])
	require.ErrorContains(t, err, "2 of 2 workspaces have no agent that can be played, for example: workspace scaletest-user-0/scaletest-")
	require.ErrorContains(t, err, "its template scaletest does not show the token")
	require.ErrorContains(t, err, "needs the right to update the template: use a token of a template admin or an owner")
}

func TestAgentsThatCanNotBePlayedAreExplained(t *testing.T) {
	w := coder.Workspace{OwnerName: "a", Name: "b", TemplateName: "t", LatestBuild: coder.Build{Status: "stopped", Transition: "stop", Job: coder.Job{Status: "succeeded"}}}
	_, err := FindAgents(context.Background(), nil, []coder.Workspace{w})
	require.EqualError(t, err, "workspace a/b is stopped, and only agents of one that runs can be played: start it")
	w.LatestBuild.Transition = "start"
	_, err = FindAgents(context.Background(), nil, []coder.Workspace{w})
	require.ErrorContains(t, err, "no resource depends on a coder_agent")
	secret := "5b7ee3ca-3c85-4ab4-a9b4-9e4f3a8f33a1"
	w.LatestBuild.Resources = []coder.Resource{{
		Metadata: []coder.ResourceMetadata{{Key: "agent_token_x", Value: secret}},
		Agents:   []coder.Agent{{Name: "x"}, {Name: "child", ParentID: uuid.New()}},
	}}
	agents, err := FindAgents(context.Background(), nil, []coder.Workspace{w})
	require.NoError(t, err)
	require.Len(t, agents, 1)
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v %s %q %x", agents, agents, agents, agents[0].Token, agents[0].Token, agents[0].Token), secret)
}

func TestMistakesOfAPoolAreAllNamed(t *testing.T) {
	err := Pool{Count: -1, Prefix: "a--b", Template: "x y", AtATime: -1}.Validate()
	for _, part := range []string{"Client is nil", "Count is -1", `Prefix is "a--b"`, `Template is "x y"`, "AtATime is -1"} {
		assert.ErrorContains(t, err, part)
	}
	assert.ErrorContains(t, Pool{Count: 1001, Prefix: strings.Repeat("a", 28)}.Validate(), "at most 32 characters")
}

func FuzzStateTokens(f *testing.F) {
	f.Add([]byte(`{"version":4,"resources":[{"type":"coder_agent","instances":[{"attributes":{"id":"5b7ee3ca-3c85-4ab4-a9b4-9e4f3a8f33a1","token":"x"}}]},{"type":"y","instances":[{"attributes":{"id":1}}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		tokens, err := stateTokens(b)
		if err != nil {
			require.Equal(t, errState, err)
		}
		for _, token := range tokens {
			require.False(t, token.IsZero())
		}
	})
}
