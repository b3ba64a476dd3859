package codertest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// behaviours are where versions of Coder differ in what a client notices. Two
// were recorded, 2.26 and 2.37. The zero value of each flag is the newer one.
type behaviours struct {
	deadAgent           int    // the status of apps and terminals of an agent that is gone
	provisionerAPI      string // its version
	agentAPI            string // that of agents
	tailnetAPI          string // the newest that is spoken
	appNeedsAgent       bool   // in the name of a subdomain app
	silentStop          bool   // connections to the agent of a stopped workspace may hang open
	abruptEnd           bool   // a terminal whose program has ended has no close frame
	onePing             bool   // a watch that does not answer a ping gets no other, and is not closed
	canceledRuns        bool   // a build that was canceled while pending is done all the same
	unknownUser400      bool   // instead of 404
	oldAgents           bool   // those of earlier builds can be asked for
	limitsByAddress     bool   // for everybody together, before anybody is asked for a token
	noLoginNone         bool   // users without a login need a service account
	noTextLogs          bool   // format=text is not known
	noBodyLimit         bool   // for JSON
	connectingIsHealthy bool   // an agent that has never connected
	scopesIgnored       bool   // every token may do everything
	tokensSlide         bool   // using a token makes it live longer
	rawMetadata         bool   // values have a newline at the end
	old                 bool   // routes, fields and keys of queries that came later are missing
}

func newBehaviours() behaviours {
	return behaviours{deadAgent: http.StatusNotFound, provisionerAPI: "1.18", agentAPI: "2.10", tailnetAPI: "2.11", noLoginNone: true}
}

func oldBehaviours() behaviours {
	return behaviours{
		deadAgent: http.StatusBadGateway, provisionerAPI: "1.9", agentAPI: "2.6", tailnetAPI: "2.6",
		appNeedsAgent: true, silentStop: true, abruptEnd: true, onePing: true, canceledRuns: true, unknownUser400: true,
		oldAgents: true, limitsByAddress: true, noTextLogs: true, noBodyLimit: true, connectingIsHealthy: true,
		scopesIgnored: true, tokensSlide: true, rawMetadata: true, old: true,
	}
}

// firstNew is the minor version from which on a deployment is as the newer of the
// two that were recorded. The changes came one by one in the releases between.
const firstNew = 32

// behavioursOf reads v2.26.0 and the like. Development builds are v0.0.0, and
// new.
func behavioursOf(version string) behaviours {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 || parts[0] != "2" {
		return newBehaviours()
	}
	if minor, err := strconv.Atoi(parts[1]); err == nil && minor < firstNew {
		return oldBehaviours()
	}
	return newBehaviours()
}

// since is a value that older versions leave out.
func since[T any](s *Server, v T) *T {
	if s.as.old {
		return nil
	}
	return &v
}

// null is a field that is there without a value.
var null = json.RawMessage("null")

// without gives the keys of queries that older versions know too.
func (s *Server) without(keys []string, newer ...string) []string {
	if !s.as.old {
		return keys
	}
	var out []string
	for _, k := range keys {
		if !strings.Contains(" "+strings.Join(newer, " ")+" ", " "+k+" ") {
			out = append(out, k)
		}
	}
	return out
}
