package codertest

import (
	"time"

	"github.com/google/uuid"
)

// agent is what runs in a workspace.
type agent struct {
	id, resourceID   uuid.UUID
	sourceID, script uuid.UUID
	build            *build
	created, updated time.Time
	firstConnected   *time.Time
	lastConnected    *time.Time
	ready            *time.Time
	dead             time.Time  // killed or frozen since
	lost             *time.Time // it was found to be gone before
	killed, frozen   bool
	off              bool // its workspace was stopped
	terminals        *terminals
	conns            *agentHome // nil before the first connection
	token            uuid.UUID
	live             *liveAgent  // nil for one that is played here
	sub              *subAgent   // nil for one that a build has made
	node             *playedNode // nil before somebody wants to reach it in the tailnet
}

// attachAgent gives a build its agent, which is not connected yet.
func (st *state) attachAgent(b *build) {
	a := &agent{
		id: st.newID(), resourceID: st.newID(), sourceID: st.newID(), script: st.newID(),
		build: b, created: now(),
	}
	a.updated = a.created
	b.agent, b.resourceID = a, a.resourceID
	if st.external(b) {
		a.wait()
	}
	st.addAgent(a)
}

// addAgent gives an agent its token.
func (st *state) addAgent(a *agent) {
	a.token = st.newID()
	st.agents[a.id], st.agentsByToken[a.token] = a, a
}

// connect makes it connected and ready, unless that is somebody else's business.
func (a *agent) connect(t time.Time) {
	if a.live != nil {
		return
	}
	a.firstConnected, a.lastConnected, a.ready = &t, &t, &t
	a.updated = t
}

// status is what the deployment knows of the agent at this moment. The end of a
// process is noticed at once, a frozen one is missed after the timeout.
func (a *agent) status(timeout time.Duration) string {
	switch {
	case a.live != nil:
		return a.liveStatus()
	case a.firstConnected == nil:
		return "connecting"
	case a.off, a.killed, !a.dead.IsZero() && time.Since(a.dead) > timeout:
		return "disconnected"
	}
	return "connected"
}

// lastSeen is refreshed every few seconds while an agent lives.
func (a *agent) lastSeen() time.Time {
	switch {
	case a.live != nil:
		return *a.lastConnected
	case !a.dead.IsZero():
		return a.dead
	}
	return now()
}
