package codertest

import "github.com/google/uuid"

// connectionEventJSON is one of the small events of a watch for a workspace's
// agent.
type connectionEventJSON struct {
	Build *buildUpdateJSON `json:"build_update,omitempty"`
	Agent *agentUpdateJSON `json:"agent_update,omitempty"`
}

type buildUpdateJSON struct {
	Transition string `json:"transition"`
	JobStatus  string `json:"job_status"`
}

type agentUpdateJSON struct {
	ID        uuid.UUID `json:"id"`
	Lifecycle string    `json:"lifecycle"`
}

// watchConnection tells what changes about the latest build and its agent, and
// nothing else.
func watchConnection(c *call) (int, any) {
	var w *workspace
	status, body := withWorkspace(func(_ *call, found *workspace) (int, any) {
		w = found
		return handled, nil
	})(c)
	if w == nil {
		return status, body
	}
	st := c.stream()
	if st == nil {
		return handled, nil
	}
	var lastBuild buildUpdateJSON
	var lastAgent agentUpdateJSON
	for {
		changed := w.changed.wait()
		c.s.state.mu.RLock()
		b := w.latest()
		build := buildUpdateJSON{b.transition, b.status}
		var agent agentUpdateJSON
		if b.agent != nil {
			agent = agentUpdateJSON{b.agent.id, c.s.agentView(b.agent).LifecycleState}
		}
		c.s.state.mu.RUnlock()
		if build != lastBuild {
			st.send(connectionEventJSON{Build: &build})
			lastBuild = build
		}
		if agent != lastAgent && agent.ID != uuid.Nil {
			st.send(connectionEventJSON{Agent: &agent})
			lastAgent = agent
		}
		select {
		case <-changed:
		case <-st.ctx.Done():
			return handled, nil
		}
	}
}
