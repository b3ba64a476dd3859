package runners

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
)

// shownWorkspace is what the page of a workspace needs to know of it.
type shownWorkspace struct {
	ID             uuid.UUID  `json:"id"`
	OwnerID        uuid.UUID  `json:"owner_id"`
	OrganizationID string     `json:"organization_id"`
	TemplateID     uuid.UUID  `json:"template_id"`
	ActiveVersion  uuid.UUID  `json:"template_active_version_id"`
	Outdated       bool       `json:"outdated"`
	Build          shownBuild `json:"latest_build"`
}

type shownBuild struct {
	ID        uuid.UUID `json:"id"`
	Status    string    `json:"status"`
	DailyCost int       `json:"daily_cost"`
	Job       struct {
		CompletedAt *time.Time `json:"completed_at"`
	} `json:"job"`
	Resources []struct {
		Agents []shownAgent `json:"agents"`
	} `json:"resources"`
}

type shownAgent struct {
	ID        uuid.UUID `json:"id"`
	Status    string    `json:"status"`
	Lifecycle string    `json:"lifecycle_state"`
}

func (b *shownBuild) agents() []shownAgent {
	var out []shownAgent
	for _, r := range b.Resources {
		out = append(out, r.Agents...)
	}
	return out
}

func (v *visit) loadWorkspace(ctx context.Context, p *openPage, wanted time.Time) error {
	full, err := pickOne(v, func() []string { return v.own })
	if err != nil {
		return err
	}
	owner, name, _ := strings.Cut(full, "/")
	var w shownWorkspace
	b := batch{v: v}
	b.get(callWorkspace, "/api/v2/users/"+url.PathEscape(owner)+"/workspace/"+url.PathEscape(name), &w)
	if p.page == PageTerminal {
		b.get(callConfig, "/api/v2/deployment/config", nil)
		b.get(callUserAppearance, "/api/v2/users/me/appearance", nil)
		if err := b.send(ctx, wanted); err != nil {
			return err
		}
		v.openTerminal(p, &w)
		return nil
	}
	if err := b.send(ctx, wanted); err != nil {
		return err
	}
	at := "/api/v2/workspaces/" + w.ID.String()
	v.open(&p.sockets, &socket{name: "watch", told: v.watched(p), dial: func(ctx context.Context) (source, error) {
		return v.watch(ctx, at+"/watch-ws", at+"/watch")
	}})
	wanted = time.Now()
	b = batch{v: v}
	b.get(callTemplate, "/api/v2/templates/"+w.TemplateID.String(), nil)
	mine := func(action string) check {
		return may(action, "workspace").in(w.OrganizationID).of(w.OwnerID.String(), w.ID.String())
	}
	b.add(callAuthCheck, http.MethodPost, "/api/v2/authcheck", checks(map[string]check{
		"read": mine("read"), "update": mine("update"), "updateTemplate": may("update", "template").in(w.OrganizationID).of("", w.TemplateID.String()),
	}), nil)
	b.get(callBuilds, at+"/builds?limit=25&offset=0", nil)
	if w.Build.Job.CompletedAt != nil {
		b.get(callTimings, "/api/v2/workspacebuilds/"+w.Build.ID.String()+"/timings", nil)
	}
	if w.Outdated {
		b.get(callTemplateVersion, "/api/v2/templateversions/"+w.ActiveVersion.String(), nil)
	}
	if w.Build.DailyCost > 0 {
		b.get(callQuota, "/api/v2/organizations/"+w.OrganizationID+"/members/"+w.OwnerID.String()+"/workspace-quota", nil)
	}
	b.get(callPortShare, at+"/port-share", nil)
	for _, a := range w.Build.agents() {
		if a.Status == coder.AgentConnected {
			of := "/api/v2/workspaceagents/" + a.ID.String()
			b.get(callContainers, of+"/containers", nil)
			b.get(callPorts, of+"/listening-ports", nil)
		}
	}
	err = b.send(ctx, wanted)
	for _, a := range w.Build.agents() {
		of := "/api/v2/workspaceagents/" + a.ID.String()
		if b.has(of + "/listening-ports") {
			v.startPoll(p, &poll{call: callPorts, path: of + "/listening-ports", every: pollPorts}, wanted)
		}
		if b.has(of + "/containers") {
			v.openSocket(p, of+"/containers/watch", false)
		}
	}
	v.openSockets(p, &w.Build)
	return err
}

// watched takes what the watch of a workspace tells.
func (v *visit) watched(p *openPage) func([]byte) {
	return func(data []byte) {
		var event struct {
			Type string `json:"type"`
			Data *struct {
				Build shownBuild `json:"latest_build"`
			} `json:"data"`
			Build *shownBuild `json:"latest_build"` // of server-sent events, which have no envelope
		}
		if json.Unmarshal(data, &event) != nil {
			return // an event that the dashboard does not know
		}
		switch {
		case event.Data != nil:
			v.openSockets(p, &event.Data.Build)
		case event.Build != nil:
			v.openSockets(p, event.Build)
		}
	}
}

// openSockets opens the sockets that the state of a workspace calls for. Those
// that are open stay so.
func (v *visit) openSockets(p *openPage, b *shownBuild) {
	if b.ID == uuid.Nil {
		return
	}
	if b.Status != coder.StatusRunning {
		v.openSocket(p, "/api/v2/workspacebuilds/"+b.ID.String()+"/logs?after=-1&follow=true", true)
	}
	for _, a := range b.agents() {
		at := "/api/v2/workspaceagents/" + a.ID.String()
		v.open(&p.sockets, &socket{name: "metadata of " + a.ID.String(), dial: func(ctx context.Context) (source, error) {
			return v.watch(ctx, at+"/watch-metadata-ws", at+"/watch-metadata")
		}})
		if a.Lifecycle != coder.LifecycleReady {
			v.openSocket(p, at+"/logs?after=0&follow=true", true)
		}
	}
}

// openSocket opens a WebSocket of a page.
func (v *visit) openSocket(p *openPage, path string, ends bool) {
	v.open(&p.sockets, &socket{name: path, ends: ends, dial: func(ctx context.Context) (source, error) {
		return v.webSocket(ctx, path)
	}})
}

// openTerminal opens a web terminal of the first agent that is connected.
func (v *visit) openTerminal(p *openPage, w *shownWorkspace) {
	for _, a := range w.Build.agents() {
		if a.Status == coder.AgentConnected {
			v.open(&p.sockets, &socket{
				name: "terminal", opened: TerminalOpen, ends: true,
				dial: func(ctx context.Context) (source, error) { return v.terminal(ctx, a.ID) },
			})
			return
		}
	}
}
