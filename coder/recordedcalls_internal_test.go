package coder

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// recordedCall makes the call to which a recording belongs.
type recordedCall func(ctx context.Context, c *Client, r *recording, req *http.Request) (any, error)

// recordedCalls maps the requests of the recordings to the calls of the
// client. What is sent is checked elsewhere; here it is what was recorded,
// where that can be said with the client's types.
var recordedCalls = map[string]recordedCall{
	"GET /api/v2/buildinfo": func(ctx context.Context, c *Client, _ *recording, _ *http.Request) (any, error) {
		return c.BuildInfo(ctx)
	},
	"GET /api/v2/users/first": func(ctx context.Context, c *Client, r *recording, _ *http.Request) (any, error) {
		has, err := c.HasFirstUser(ctx)
		if has != (r.Response.Status == http.StatusOK) {
			return nil, context.DeadlineExceeded // any error that no recording has
		}
		return nil, err
	},
	"POST /api/v2/users/first": func(ctx context.Context, c *Client, _ *recording, _ *http.Request) (any, error) {
		return nil, c.CreateFirstUser(ctx, CreateUserRequest{Username: "admin"})
	},
	"POST /api/v2/users/login": func(ctx context.Context, c *Client, _ *recording, _ *http.Request) (any, error) {
		token, err := c.Login(ctx, "a@example.com", "Passw0rd!Scale")
		return map[string]string{"session_token": token}, err
	},
	"POST /api/v2/users/logout": func(ctx context.Context, c *Client, _ *recording, _ *http.Request) (any, error) {
		return nil, c.Logout(ctx)
	},
	"POST /api/v2/users": func(ctx context.Context, c *Client, r *recording, _ *http.Request) (any, error) {
		return c.CreateUser(ctx, sent[CreateUserRequest](r))
	},
	"GET /api/v2/users": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.Users(ctx, UsersQuery{Search: req.URL.Query().Get("q"), Limit: number(req, "limit"), Offset: number(req, "offset")})
	},
	"GET /api/v2/users/{user}": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.User(ctx, req.PathValue("user"))
	},
	"DELETE /api/v2/users/{user}": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return nil, c.DeleteUser(ctx, req.PathValue("user"))
	},
	"GET /api/v2/users/{user}/roles": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.UserRoles(ctx, req.PathValue("user"))
	},
	"PUT /api/v2/users/{user}/roles": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.SetUserRoles(ctx, req.PathValue("user"))
	},
	"PUT /api/v2/users/{user}/status/suspend": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.SuspendUser(ctx, req.PathValue("user"))
	},
	"PUT /api/v2/users/{user}/status/activate": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.ActivateUser(ctx, req.PathValue("user"))
	},
	"GET /api/v2/users/{user}/organizations": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.UserOrganizations(ctx, req.PathValue("user"))
	},
	"POST /api/v2/users/{user}/keys": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		key, err := c.CreateSessionKey(ctx, req.PathValue("user"))
		return map[string]string{"key": key}, err
	},
	"POST /api/v2/users/{user}/keys/tokens": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		key, err := c.CreateToken(ctx, req.PathValue("user"), CreateTokenRequest{Lifetime: time.Hour, Name: "x"})
		return map[string]string{"key": key}, err
	},
	"GET /api/v2/users/{user}/keys/tokens": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.Tokens(ctx, req.PathValue("user"))
	},
	"GET /api/v2/users/{user}/keys/tokens/tokenconfig": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		d, err := c.MaxTokenLifetime(ctx, req.PathValue("user"))
		return map[string]time.Duration{"max_token_lifetime": d}, err
	},
	"GET /api/v2/users/{user}/keys/{id}": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.Key(ctx, req.PathValue("user"), req.PathValue("id"))
	},
	"DELETE /api/v2/users/{user}/keys/{id}": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return nil, c.DeleteKey(ctx, req.PathValue("user"), req.PathValue("id"))
	},
	"GET /api/v2/organizations": func(ctx context.Context, c *Client, _ *recording, _ *http.Request) (any, error) {
		return c.Organizations(ctx)
	},
	"GET /api/v2/organizations/{org}": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.Organization(ctx, req.PathValue("org"))
	},
	"GET /api/v2/organizations/{org}/members": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.Members(ctx, req.PathValue("org"))
	},
	"GET /api/v2/organizations/{org}/members/{user}/workspace-quota": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.WorkspaceQuota(ctx, req.PathValue("org"), req.PathValue("user"))
	},
	"GET /api/v2/organizations/{org}/provisionerdaemons": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.ProvisionerDaemons(ctx, req.PathValue("org"))
	},
	"GET /api/v2/organizations/{org}/templates": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.OrganizationTemplates(ctx, req.PathValue("org"))
	},
	"GET /api/v2/organizations/{org}/templates/{name}": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.TemplateByName(ctx, req.PathValue("org"), req.PathValue("name"))
	},
	"GET /api/v2/templates": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		if _, name, ok := strings.Cut(req.URL.Query().Get("q"), "exact_name:"); ok {
			return c.TemplatesNamed(ctx, name)
		}
		return c.Templates(ctx)
	},
	"GET /api/v2/templates/{id}": func(ctx context.Context, c *Client, r *recording, req *http.Request) (any, error) {
		id, err := uuid.Parse(req.PathValue("id"))
		if err != nil {
			return nil, c.Get(ctx, r.Request.Path, nil) // the typed call takes no such ID
		}
		return c.Template(ctx, id)
	},
	"GET /api/v2/templates/{id}/versions": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.TemplateVersions(ctx, pathID(req))
	},
	"POST /api/v2/files": func(ctx context.Context, c *Client, _ *recording, _ *http.Request) (any, error) {
		id, err := c.UploadFile(ctx, make([]byte, 1024))
		return map[string]uuid.UUID{"hash": id}, err
	},
	"GET /api/v2/templateversions/{id}": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.TemplateVersion(ctx, pathID(req))
	},
	"GET /api/v2/templateversions/{id}/rich-parameters": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.RichParameters(ctx, pathID(req))
	},
	"GET /api/v2/templateversions/{id}/presets": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.Presets(ctx, pathID(req))
	},
	"GET /api/v2/templateversions/{id}/resources": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.TemplateVersionResources(ctx, pathID(req))
	},
	"GET /api/v2/templateversions/{id}/logs": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.TemplateVersionLogs(ctx, pathID(req), int64(number(req, "after")))
	},
	"POST /api/v2/users/{user}/workspaces": func(ctx context.Context, c *Client, r *recording, req *http.Request) (any, error) {
		return c.CreateWorkspace(ctx, req.PathValue("user"), sent[CreateWorkspaceRequest](r))
	},
	"GET /api/v2/workspaces": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.Workspaces(ctx, WorkspacesQuery{Search: req.URL.Query().Get("q"), Limit: number(req, "limit"), Offset: number(req, "offset")})
	},
	"GET /api/v2/workspaces/{id}": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		if req.URL.Query().Has("include_deleted") {
			return c.DeletedWorkspace(ctx, pathID(req))
		}
		return c.Workspace(ctx, pathID(req))
	},
	"GET /api/v2/users/{user}/workspace/{name}": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.WorkspaceByOwnerAndName(ctx, req.PathValue("user"), req.PathValue("name"))
	},
	"GET /api/v2/users/{user}/workspace/{name}/builds/{number}": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		n, _ := strconv.Atoi(req.PathValue("number"))
		return c.BuildByNumber(ctx, req.PathValue("user"), req.PathValue("name"), n)
	},
	"PUT /api/v2/workspaces/{id}/autostart": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return nil, c.SetAutostart(ctx, pathID(req), "")
	},
	"PUT /api/v2/workspaces/{id}/ttl": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return nil, c.SetTTL(ctx, pathID(req), 0)
	},
	"PUT /api/v2/workspaces/{id}/extend": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return nil, c.ExtendWorkspace(ctx, pathID(req), time.Now())
	},
	"POST /api/v2/workspaces/{id}/usage": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return nil, c.PostUsage(ctx, pathID(req), uuid.Nil, "ssh")
	},
	"GET /api/v2/workspaces/{id}/timings": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.WorkspaceTimings(ctx, pathID(req))
	},
	"GET /api/v2/workspaces/{id}/builds": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.WorkspaceBuilds(ctx, pathID(req), number(req, "limit"))
	},
	"POST /api/v2/workspaces/{id}/builds": func(ctx context.Context, c *Client, r *recording, req *http.Request) (any, error) {
		return c.CreateBuild(ctx, pathID(req), sent[CreateBuildRequest](r))
	},
	"GET /api/v2/workspacebuilds/{id}": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.Build(ctx, pathID(req))
	},
	"GET /api/v2/workspacebuilds/{id}/parameters": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.BuildParameters(ctx, pathID(req))
	},
	"GET /api/v2/workspacebuilds/{id}/resources": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.BuildResources(ctx, pathID(req))
	},
	"GET /api/v2/workspacebuilds/{id}/timings": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.BuildTimings(ctx, pathID(req))
	},
	"GET /api/v2/workspacebuilds/{id}/logs": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.BuildLogs(ctx, pathID(req), int64(number(req, "after")))
	},
	"PATCH /api/v2/workspacebuilds/{id}/cancel": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return nil, c.CancelBuild(ctx, pathID(req), req.URL.Query().Get("expect_status"))
	},
	"GET /api/v2/workspaceagents/{id}": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.Agent(ctx, pathID(req))
	},
	"GET /api/v2/workspaceagents/connection": func(ctx context.Context, c *Client, _ *recording, _ *http.Request) (any, error) {
		return c.AgentConnectionInfo(ctx, uuid.Nil)
	},
	"GET /api/v2/workspaceagents/{id}/connection": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.AgentConnectionInfo(ctx, pathID(req))
	},
	"GET /api/v2/workspaceagents/{id}/listening-ports": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		ports, err := c.ListeningPorts(ctx, pathID(req))
		return map[string]any{"ports": ports}, err
	},
	"GET /api/v2/workspaceagents/{id}/logs": func(ctx context.Context, c *Client, _ *recording, req *http.Request) (any, error) {
		return c.AgentLogs(ctx, pathID(req), int64(number(req, "after")))
	},
	"POST /api/v2/authcheck": func(ctx context.Context, c *Client, _ *recording, _ *http.Request) (any, error) {
		return c.AuthCheck(ctx, map[string]Permission{"viewAuditLog": {Action: "read", ResourceType: "audit_log"}})
	},
	"GET /api/v2/applications/host": func(ctx context.Context, c *Client, _ *recording, _ *http.Request) (any, error) {
		host, err := c.AppHost(ctx)
		return map[string]string{"host": host}, err
	},
	"GET /api/v2/deployment/stats": func(ctx context.Context, c *Client, _ *recording, _ *http.Request) (any, error) {
		return c.DeploymentStats(ctx)
	},
	"GET /api/v2/regions": func(ctx context.Context, c *Client, _ *recording, _ *http.Request) (any, error) {
		regions, err := c.Regions(ctx)
		return map[string]any{"regions": regions}, err
	},
	"GET /api/v2/experiments": func(ctx context.Context, c *Client, _ *recording, _ *http.Request) (any, error) {
		return c.Experiments(ctx)
	},
	"GET /api/v2/debug/metrics": func(ctx context.Context, c *Client, _ *recording, _ *http.Request) (any, error) {
		_, err := c.Metrics(ctx)
		return nil, err
	},

	// Streams.
	"WS /api/v2/workspacebuilds/{id}/logs": func(ctx context.Context, c *Client, r *recording, req *http.Request) (any, error) {
		return listen(r, c.FollowBuildLogs(ctx, pathID(req), int64(number(req, "after"))))
	},
	"WS /api/v2/workspaceagents/{id}/logs": func(ctx context.Context, c *Client, r *recording, req *http.Request) (any, error) {
		return listen(r, c.FollowAgentLogs(ctx, pathID(req), int64(number(req, "after"))))
	},
	"WS /api/v2/workspaces/{id}/watch-ws": func(ctx context.Context, c *Client, r *recording, req *http.Request) (any, error) {
		return listen(r, c.WatchWorkspace(ctx, pathID(req)))
	},
	"WS /api/v2/workspaceagents/{id}/watch-metadata-ws": func(ctx context.Context, c *Client, r *recording, req *http.Request) (any, error) {
		return listen(r, c.WatchAgentMetadata(ctx, pathID(req)))
	},
	"GET /api/v2/workspaces/{id}/watch": func(ctx context.Context, c *Client, r *recording, req *http.Request) (any, error) {
		c.shared.noWatchWS.Store(true)
		return listen(r, c.WatchWorkspace(ctx, pathID(req)))
	},
	"GET /api/v2/workspaceagents/{id}/watch-metadata": func(ctx context.Context, c *Client, r *recording, req *http.Request) (any, error) {
		c.shared.noMetadataWS.Store(true)
		return listen(r, c.WatchAgentMetadata(ctx, pathID(req)))
	},
	"WS /api/v2/notifications/inbox/watch": func(ctx context.Context, c *Client, r *recording, _ *http.Request) (any, error) {
		return listen(r, c.Stream(ctx, r.Request.Path))
	},

	// Refusals of what a caller dials or requests itself.
	"WS /api/v2/workspaceagents/{id}/pty":  refused,
	"GET /api/v2/workspaceagents/{id}/pty": refused,
	"WS /{app...}":                         refused,
	"GET /{app...}":                        refused,
}

// refused requests what was recorded as a caller would, and has the refusal
// read.
func refused(ctx context.Context, c *Client, r *recording, _ *http.Request) (any, error) {
	if strings.HasPrefix(r.Request.Path, "/api/") && r.Request.Headers["Upgrade"] == "" {
		return nil, c.Get(ctx, r.Request.Path, nil) // endpoints of the dashboard
	}
	rec := httptest.NewRecorder()
	for _, h := range r.Response.Headers {
		rec.Header().Add(h[0], h[1])
	}
	rec.WriteHeader(r.Response.Status)
	_, _ = rec.Write(r.body())
	resp := rec.Result()
	resp.Request = httptest.NewRequestWithContext(ctx, r.Request.Method, r.Request.Path, nil)
	return nil, c.ResponseError("open it", resp)
}

// listen collects what a stream yields: all of it when the server ends it,
// else as much as was recorded.
func listen[T any](r *recording, seq iter.Seq2[T, error]) (any, error) {
	values, err := streamed(r)
	if err != nil {
		return nil, err
	}
	want := len(values)
	if want == 0 && !r.serverCloses() && r.Response.Status < 400 {
		return nil, nil // nothing to wait for
	}
	var out []T
	for value, err := range seq {
		if err != nil {
			return out, err
		}
		if out = append(out, value); len(out) == want && !r.serverCloses() {
			break
		}
	}
	return out, nil
}

func pathID(req *http.Request) uuid.UUID {
	id, _ := uuid.Parse(req.PathValue("id"))
	return id
}

func number(req *http.Request, key string) int {
	n, _ := strconv.Atoi(req.URL.Query().Get(key))
	return n
}

func sent[T any](r *recording) T {
	var v T
	_ = json.Unmarshal(r.Request.Body, &v) // some bodies are broken on purpose
	return v
}
