package codertest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// tailnetRoutes are what can be said of a tailnet without having one: where the
// relays would be, and which versions are too old or too new.
func (s *Server) tailnetRoutes() {
	s.private("GET /api/v2/derp-map", func(c *call) (int, any) {
		st := c.stream()
		if st == nil {
			return handled, nil
		}
		st.sendBinary(c.s.derpMap())
		<-st.ctx.Done() // it does not change
		return handled, nil
	})
	s.private("GET /api/v2/tailnet", func(c *call) (int, any) { return c.coordinate("2.0") })
	s.private("GET /api/v2/workspaceagents/{agent}/coordinate", func(c *call) (int, any) {
		status, body := withAgent(func(*call, *agent) (int, any) { return handled, nil })(c)
		if status != handled {
			return status, body
		}
		return c.coordinate("1.0")
	})
	for _, what := range []string{"rpc", "gitsshkey"} {
		s.public("GET /api/v2/workspaceagents/me/"+what, agentOnly)
	}
}

// coordinate refuses what a real server refuses, and then says what is missing.
func (c *call) coordinate(version string) (int, any) {
	if v := c.r.URL.Query().Get("version"); v != "" {
		version = v
	}
	if problem := unsupportedVersion(version, c.s.as.tailnetAPI); problem != "" {
		return http.StatusBadRequest, invalid("Unknown or unsupported API version", "version", problem)
	}
	if !c.mayUpgrade() {
		return handled, nil
	}
	return http.StatusNotImplemented, msg("This deployment has no tailnet. Tests reach its agents by DialAgent.")
}

// unsupportedVersion says what is wrong with a version, such as 2.0, for a server
// that has this one.
func unsupportedVersion(version, server string) string {
	number := func(v string) (major, minor int, ok bool) {
		a, b, ok := strings.Cut(v, ".")
		major, err := strconv.Atoi(a)
		minor, err2 := strconv.Atoi(b)
		return major, minor, ok && err == nil && err2 == nil
	}
	major, minor, ok := number(version)
	newest, newestMinor, _ := number(server)
	switch {
	case !ok:
		return fmt.Sprintf("invalid version string: %s", version)
	case major > newest:
		return fmt.Sprintf("server is at version %s, behind requested major version %s", server, version)
	case major < newest:
		return fmt.Sprintf("version %s is no longer supported", version)
	case minor > newestMinor:
		return fmt.Sprintf("server is at version %s, behind requested minor version %s", server, version)
	}
	return ""
}

// agentOnly answers what agents ask. There are none that do: they are part of
// the deployment.
func agentOnly(c *call) (int, any) {
	token := sessionToken(c.r)
	if _, err := uuid.Parse(token); err != nil {
		return http.StatusUnauthorized, apiError{Message: "Workspace agent token invalid.",
			Detail: fmt.Sprintf("An agent token must be a valid UUIDv4. (len %d)", len(token))}
	}
	return http.StatusUnauthorized, apiError{Message: "Workspace agent not authorized.",
		Detail: "The agent cannot authenticate until the workspace provision job has been completed. If the job is no longer running, this agent is invalid."}
}
