package codertest

import (
	"net/http"
	"strconv"
	"strings"
)

// behaviours are where versions of Coder differ in what a client notices. Two
// of them were recorded, 2.26 and 2.37.
type behaviours struct {
	deadAgent     int  // the status of apps and terminals of an agent that is gone
	appNeedsAgent bool // in the name of a subdomain app
	silentStop    bool // connections to the agent of a stopped workspace may hang open
}

// lastOld is the minor version from which on a deployment is as the newer of the
// two that were recorded. The changes came one by one in the releases before.
const lastOld = 32

func behavioursOf(version string) behaviours {
	b := behaviours{deadAgent: http.StatusNotFound}
	if isOld(version) {
		b = behaviours{deadAgent: http.StatusBadGateway, appNeedsAgent: true, silentStop: true}
	}
	return b
}

// isOld reads v2.26.0 and the like. Development builds are v0.0.0, and new.
func isOld(version string) bool {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 || parts[0] != "2" {
		return false
	}
	minor, err := strconv.Atoi(parts[1])
	return err == nil && minor < lastOld
}
