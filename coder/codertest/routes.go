package codertest

import (
	"net/http"
	"strings"
)

// routes registers everything that the deployment answers.
func (s *Server) routes() {
	s.mux = http.NewServeMux()
	s.public("GET /healthz", func(*call) (int, any) {
		return http.StatusOK, page{"text/plain; charset=utf-8", "OK"}
	})
	s.public("GET /latency-check", func(*call) (int, any) {
		return http.StatusOK, page{"text/plain; charset=utf-8", "OK"}
	})
	s.public("GET /api/v2/{$}", func(*call) (int, any) { return http.StatusOK, msg("👋") })
	s.public("GET /api/v2/buildinfo", func(c *call) (int, any) { return http.StatusOK, c.s.buildInfo() })
	s.relayOn(s.mux, s.relay)
	s.public("GET /bin/", func(*call) (int, any) {
		return http.StatusNotFound, page{"text/plain; charset=utf-8", "404 page not found\n"}
	})
	s.public("/api/", routeNotFound)
	s.public("/", dashboard)
	s.userRoutes()
	s.templateRoutes()
	s.workspaceRoutes()
	s.private("POST /api/v2/authcheck", authCheck)
}

// dashboard is every page of a server that was built without one.
func dashboard(*call) (int, any) {
	return http.StatusOK, page{"text/html; charset=utf-8", "Slim build of Coder, does not contain the frontend static files.\n"}
}

// routeNotFound answers what no other route does: a path that exists with
// another method is a 405 without a body.
func routeNotFound(c *call) (int, any) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := &http.Request{Method: method, URL: c.r.URL, Host: c.r.Host}
		if _, pattern := c.s.mux.Handler(probe); strings.HasPrefix(pattern, method+" ") {
			return http.StatusMethodNotAllowed, nil
		}
	}
	return http.StatusNotFound, msg("Route not found.")
}

type buildInfoJSON struct {
	ExternalURL           string  `json:"external_url"`
	Version               string  `json:"version"`
	DashboardURL          string  `json:"dashboard_url"`
	Telemetry             bool    `json:"telemetry"`
	WorkspaceProxy        bool    `json:"workspace_proxy"`
	AgentAPIVersion       string  `json:"agent_api_version"`
	ProvisionerAPIVersion string  `json:"provisioner_api_version"`
	UpgradeMessage        string  `json:"upgrade_message"`
	DeploymentID          string  `json:"deployment_id"`
	WebpushPublicKey      *string `json:"webpush_public_key,omitempty"`
}

func (s *Server) buildInfo() buildInfoJSON {
	return buildInfoJSON{
		ExternalURL: "https://github.com/coder/coder", Version: s.cfg.Version, DashboardURL: s.url,
		AgentAPIVersion: "1.0", ProvisionerAPIVersion: s.as.provisionerAPI, DeploymentID: s.deploymentID.String(),
		WebpushPublicKey: since(s, ""),
	}
}

// authCheck answers what a user may do.
func authCheck(c *call) (int, any) {
	var in struct {
		Checks map[string]struct {
			Action string `json:"action"`
			Object struct {
				ResourceType   string `json:"resource_type"`
				OwnerID        string `json:"owner_id"`
				OrganizationID string `json:"organization_id"`
				ResourceID     string `json:"resource_id"`
				AnyOrg         bool   `json:"any_org"`
			} `json:"object"`
		} `json:"checks"`
	}
	if e := read(c, &in); e != nil {
		return http.StatusBadRequest, e
	}
	out := make(map[string]bool, len(in.Checks))
	c.s.state.mu.RLock()
	defer c.s.state.mu.RUnlock()
	for name, check := range in.Checks {
		o := check.Object
		mine := o.OwnerID == c.user.id.String() || o.OwnerID == "me"
		out[name] = c.user.may(check.Action, o.ResourceType, mine)
	}
	return http.StatusOK, out
}
