package coder

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// BuildInfo says which version a deployment runs.
type BuildInfo struct {
	Version               string    `json:"version"` // such as v2.37.0-devel+c9a1e2bce
	ExternalURL           string    `json:"external_url"`
	DashboardURL          string    `json:"dashboard_url"` // the access URL as the server knows it
	WorkspaceProxy        bool      `json:"workspace_proxy"`
	AgentAPIVersion       string    `json:"agent_api_version"` // always 1.0, tells nothing
	ProvisionerAPIVersion string    `json:"provisioner_api_version"`
	UpgradeMessage        string    `json:"upgrade_message"`
	DeploymentID          uuid.UUID `json:"deployment_id"`
}

// BuildInfo reads the version of the deployment. It needs no token.
//
// GET /api/v2/buildinfo
func (c *Client) BuildInfo(ctx context.Context) (BuildInfo, error) {
	var out BuildInfo
	err := c.do(ctx, call{
		action: "read the version of the deployment", method: http.MethodGet, path: api("buildinfo"),
		out: &out, repeatable: true, anonymous: true,
	})
	return out, err
}

// Semver is a version in three numbers.
type Semver struct{ Major, Minor, Patch int }

// String is like 2.37.0.
func (s Semver) String() string {
	return strconv.Itoa(s.Major) + "." + strconv.Itoa(s.Minor) + "." + strconv.Itoa(s.Patch)
}

// AtLeast reports whether s is major.minor or later.
func (s Semver) AtLeast(major, minor int) bool {
	return s.Major > major || s.Major == major && s.Minor >= minor
}

// Semver returns the version in numbers. Builds without a tag say v0.0.0 and
// are judged by the version of their provisioner API, which gives the latest
// release that they have everything of. ok is false when neither can be read.
func (b BuildInfo) Semver() (version Semver, ok bool) {
	if version, ok = parseSemver(b.Version); ok && version != (Semver{}) {
		return version, true
	}
	major, minor, _ := strings.Cut(b.ProvisionerAPIVersion, ".")
	n, err := strconv.Atoi(minor)
	if major != "1" || err != nil {
		return Semver{}, false
	}
	switch {
	case n >= 18:
		return Semver{Major: 2, Minor: 37}, true
	case n >= 9:
		return Semver{Major: 2, Minor: 26}, true
	case n >= 4:
		return Semver{Major: 2, Minor: 22}, true
	case n >= 1:
		return Semver{Major: 2, Minor: 17}, true
	}
	return Semver{}, false
}

func parseSemver(s string) (Semver, bool) {
	s, _, _ = strings.Cut(strings.TrimPrefix(s, "v"), "+")
	s, _, _ = strings.Cut(s, "-")
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return Semver{}, false
	}
	var n [3]int
	for i, part := range parts {
		v, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return Semver{}, false
		}
		n[i] = int(v)
	}
	return Semver{n[0], n[1], n[2]}, true
}

// Feature is something that not all supported servers have.
type Feature int

const (
	// FeatureWatchSockets is watching over WebSockets (2.22).
	FeatureWatchSockets Feature = iota
	// FeatureDynamicParameters are parameters that depend on each other (2.26).
	FeatureDynamicParameters
	// FeatureExpectStatus is canceling only pending or only running builds
	// (2.26). Older servers cancel either.
	FeatureExpectStatus
	// FeatureUserRateLimit is that rate limits count by user, and an owner
	// can bypass them (2.32). Older servers count by address, so that all
	// users of one load generator share the limit.
	FeatureUserRateLimit
	// FeatureGraphStage is the graph stage of provisioners (provisioner API
	// 1.13), which changes the archives of the echo provisioner.
	FeatureGraphStage
)

// Has reports whether the server has a feature, as far as its version tells.
func (b BuildInfo) Has(f Feature) bool {
	if f == FeatureGraphStage {
		major, minor, _ := strings.Cut(b.ProvisionerAPIVersion, ".")
		n, err := strconv.Atoi(minor)
		return major == "1" && err == nil && n >= 13
	}
	v, ok := b.Semver()
	since, known := map[Feature]int{
		FeatureWatchSockets:      22,
		FeatureDynamicParameters: 26,
		FeatureExpectStatus:      26,
		FeatureUserRateLimit:     32,
	}[f]
	return ok && known && v.AtLeast(2, since)
}
