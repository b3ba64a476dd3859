package codertest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/google/uuid"
)

func (s *Server) buildRoutes() {
	s.private("POST /api/v2/users/{user}/workspaces", createWorkspace)
	s.private("POST /api/v2/organizations/{organization}/members/{user}/workspaces", inOrganization(createWorkspace))
	s.private("POST /api/v2/workspaces/{workspace}/builds", createBuild)
	s.private("GET /api/v2/workspaces/{workspace}/builds", listBuilds)
	s.private("GET /api/v2/users/{user}/workspace/{name}/builds/{number}", buildByNumber)
	s.private("GET /api/v2/workspacebuilds/{build}", withBuild(func(c *call, b *build) (int, any) {
		return http.StatusOK, c.s.buildView(b)
	}))
	s.private("GET /api/v2/workspacebuilds/{build}/resources", withBuild(func(c *call, b *build) (int, any) {
		return http.StatusOK, c.s.resourceViews(b)
	}))
	s.private("GET /api/v2/workspacebuilds/{build}/parameters", withBuild(func(_ *call, b *build) (int, any) {
		return http.StatusOK, append([]parameterValue{}, b.parameters...)
	}))
	s.private("GET /api/v2/workspacebuilds/{build}/timings", withBuild(func(c *call, b *build) (int, any) {
		return http.StatusOK, c.s.timings(b)
	}))
	s.private("PATCH /api/v2/workspacebuilds/{build}/cancel", cancelBuild)
	s.private("GET /api/v2/workspacebuilds/{build}/state", withBuild(buildState))
	s.private("GET /api/v2/workspacebuilds/{build}/logs", buildLogs)
}

type newWorkspaceJSON struct {
	TemplateID          uuid.UUID        `json:"template_id"`
	TemplateVersionID   uuid.UUID        `json:"template_version_id"`
	Name                string           `json:"name"`
	AutostartSchedule   *string          `json:"autostart_schedule"`
	TTLMillis           *int64           `json:"ttl_ms"`
	RichParameterValues []parameterValue `json:"rich_parameter_values"`
	AutomaticUpdates    string           `json:"automatic_updates"`
}

func createWorkspace(c *call) (int, any) {
	st := c.s.state
	st.mu.Lock()
	defer st.mu.Unlock()
	target := c.r.PathValue("user")
	owner := c.user
	if target != "me" {
		owner = st.findUser(target)
	}
	if owner == nil {
		return c.noUser()
	}
	var in newWorkspaceJSON
	if e := read(c, &in); e != nil {
		return http.StatusBadRequest, e
	}
	var bad []string
	none := uuid.Nil
	switch t, v := in.TemplateID, in.TemplateVersionID; {
	case t == none && v == none:
		bad = append(bad, "template_id", failedTag("required_without", t.String()), "template_version_id", failedTag("required_without", v.String()))
	case t != none && v != none:
		bad = append(bad, "template_id", failedTag("excluded_with", t.String()), "template_version_id", failedTag("excluded_with", v.String()))
	}
	if !validName(in.Name) {
		bad = append(bad, "name", failedTag("workspace_name", in.Name))
	}
	if bad != nil {
		return http.StatusBadRequest, invalid("Validation failed.", bad...)
	}
	if owner != c.user && !c.user.owner() {
		if c.s.as.old {
			return http.StatusNotFound, notFound
		}
		return http.StatusForbidden, apiError{Message: "Unauthorized to create workspace.", Detail: "You are unable to create a workspace in this organization. It is possible to have access to the template, but not be able to create a workspace. Please contact an administrator about your permissions if you feel this is an error."}
	}
	t, v := st.templates[in.TemplateID], (*version)(nil)
	if in.TemplateVersionID != none {
		if v = st.versions[in.TemplateVersionID]; v == nil {
			return http.StatusBadRequest, invalid(fmt.Sprintf("Template version %q doesn't exist.", in.TemplateVersionID), "template_version_id", "template not found")
		}
		if v.template != nil {
			t = st.templates[v.template.id]
		}
	}
	if t == nil {
		return http.StatusBadRequest, invalid(fmt.Sprintf("Template %q doesn't exist.", in.TemplateID), "template_id", "template not found")
	}
	if v == nil {
		v = t.active
	}
	if status, e := v.usable(); e != nil {
		return status, e
	}
	if st.byFullName[fullName(owner.username, in.Name)] != nil {
		return http.StatusConflict, invalid(fmt.Sprintf("Workspace %q already exists.", in.Name), "name", "This value is already in use and should be unique.")
	}
	values, e := v.resolve(in.RichParameterValues, nil)
	if e != nil {
		return http.StatusBadRequest, e
	}
	w := st.newWorkspace(owner, t, in.Name)
	w.autostart, w.ttlMillis = in.AutostartSchedule, in.TTLMillis
	if w.ttlMillis == nil && t.ttlMillis > 0 {
		w.ttlMillis = &t.ttlMillis
	}
	if in.AutomaticUpdates != "" {
		w.automaticUpdates = in.AutomaticUpdates
	}
	b := st.newBuild(w, c.user, "start", "initiator")
	b.version, b.parameters = v, values
	st.addWorkspace(w)
	c.s.enqueue(b)
	view := c.s.workspaceView(w, c.user)
	view.LatestBuild = c.s.newBuildView(b)
	return http.StatusCreated, view
}

var buildReasons = []string{"", "dashboard", "cli", "ssh_connection", "vscode_connection", "jetbrains_connection", "task_manual_pause"}

func createBuild(c *call) (int, any) {
	var in struct {
		Transition          string           `json:"transition"`
		TemplateVersionID   uuid.UUID        `json:"template_version_id"`
		Orphan              bool             `json:"orphan"`
		Reason              string           `json:"reason"`
		RichParameterValues []parameterValue `json:"rich_parameter_values"`
	}
	if e := read(c, &in); e != nil {
		return http.StatusBadRequest, e
	}
	return withWorkspace(func(c *call, w *workspace) (int, any) {
		if !c.user.controls(w) {
			return http.StatusForbidden, forbidden
		}
		if !slices.Contains([]string{"start", "stop", "delete"}, in.Transition) {
			return http.StatusBadRequest, invalid("Validation failed.", "transition", failedTag("oneof", in.Transition))
		}
		if !slices.Contains(buildReasons, in.Reason) {
			return http.StatusBadRequest, invalid("Validation failed.", "reason", failedTag("oneof", in.Reason))
		}
		const onlyManagers = "Only template managers may provide custom state"
		switch last := w.latest(); {
		case in.Orphan && in.Transition != "delete":
			return http.StatusBadRequest, msg("Orphan is only permitted when deleting a workspace.")
		case w.deleted && in.Transition != "delete":
			return http.StatusConflict, msg("Workspace is deleted.")
		case !last.done():
			const active = "A workspace build is already active."
			return http.StatusConflict, apiError{Message: active, Detail: active}
		case in.Orphan && !c.user.managesTemplates():
			return http.StatusForbidden, apiError{Message: onlyManagers, Detail: onlyManagers}
		}
		v := w.latest().version
		if n := in.TemplateVersionID; n != uuid.Nil {
			if v = c.s.state.versions[n]; v == nil || v.template != w.template {
				return http.StatusBadRequest, invalid("Template version not found.", "template_version_id", "template version not found")
			}
		}
		if status, e := v.usable(); e != nil {
			return status, e
		}
		values, e := v.resolve(in.RichParameterValues, w.latest().parameters)
		if e != nil {
			return http.StatusBadRequest, e
		}
		reason := in.Reason
		if reason == "" {
			reason = "initiator"
		}
		b := c.s.state.newBuild(w, c.user, in.Transition, reason)
		b.version, b.parameters, b.orphan = v, values, in.Orphan
		c.s.enqueue(b)
		w.changed.fire()
		return http.StatusCreated, c.s.newBuildView(b)
	})(c)
}

func withBuild(h func(*call, *build) (int, any)) handler {
	return changing("build", func(c *call, id uuid.UUID) *build {
		if b := c.s.state.builds[id]; b != nil && c.user.sees(b.workspace) {
			return b
		}
		return nil
	}, h)
}

func listBuilds(c *call) (int, any) {
	pg, e := readPage(c)
	if e != nil {
		return http.StatusBadRequest, e
	}
	return withWorkspace(func(c *call, w *workspace) (int, any) {
		out := []buildJSON{}
		rows := pg.cut(len(w.builds))
		for i := rows.from; i < rows.to; i++ {
			out = append(out, c.s.buildView(w.builds[len(w.builds)-1-i])) // the newest first
		}
		return http.StatusOK, out
	})(c)
}

func buildByNumber(c *call) (int, any) {
	c.s.state.mu.RLock()
	defer c.s.state.mu.RUnlock()
	u := c.pathUser()
	if u == nil {
		return c.noUser()
	}
	w := c.s.state.byFullName[fullName(u.username, c.r.PathValue("name"))]
	n, err := strconv.Atoi(c.r.PathValue("number"))
	if err != nil {
		return http.StatusBadRequest, apiError{Message: "Failed to parse build number as integer.", Detail: err.Error()}
	}
	if w == nil || !c.user.sees(w) || n < 1 || n > len(w.builds) {
		return http.StatusNotFound, notFound
	}
	return http.StatusOK, c.s.buildView(w.builds[n-1])
}

var cancelBuild = withBuild(func(c *call, b *build) (int, any) {
	want := c.r.URL.Query().Get("expect_status")
	switch {
	case !c.user.controls(b.workspace):
		return http.StatusForbidden, forbidden
	case want != "" && want != "running" && want != "pending":
		return http.StatusBadRequest, msg("Invalid expect_status %q. Only 'running' or 'pending' are allowed.", want)
	case b.done():
		return http.StatusBadRequest, msg("Job has already completed!")
	case b.canceled != nil:
		return http.StatusBadRequest, msg("Job has already been marked as canceled!")
	case want != "" && want != b.status:
		return http.StatusPreconditionFailed, msg("Job is not in the expected state.")
	case !c.user.owner() && want != "pending" && !b.workspace.template.mayCancel:
		return http.StatusForbidden, msg("User is not allowed to cancel workspace builds. Owner role is required.")
	}
	t := now()
	b.canceled = &t
	if b.status == "pending" {
		// Nobody who follows the logs hears of this: there are none.
		b.completed, b.status = &t, "canceled"
		if !c.s.as.canceledRuns {
			c.s.jobs.drop(b)
		}
		b.workspace.changed.fire()
	} else {
		b.status = "canceling"
		if b.stop() {
			c.s.after(c.s.cancelTime(), func() {
				b.err = "terraform apply: exit status 1"
				c.s.finish(b, "failed")
			})
		}
		c.s.changed(b)
	}
	return http.StatusOK, msg("Job has been marked as canceled...")
})

// timings are those of a build.
func (s *Server) timings(b *build) any {
	type timing map[string]any
	out := timing{"provisioner_timings": []timing{}, "agent_script_timings": []timing{}, "agent_connection_timings": []timing{}}
	if !b.done() || b.started == nil {
		return out
	}
	out["provisioner_timings"] = []timing{{
		"job_id": b.jobID, "started_at": b.started, "ended_at": b.completed, "stage": "init", "source": "coder",
		"action": "terraform", "resource": "coder_stage_init",
	}}
	if a := b.agent; a != nil && a.ready != nil {
		out["agent_script_timings"] = []timing{{
			"started_at": a.ready, "ended_at": a.ready, "exit_code": 0, "stage": "start", "status": "ok",
			"display_name": "Startup Script", "workspace_agent_id": a.id, "workspace_agent_name": "main",
		}}
		out["agent_connection_timings"] = []timing{{
			"started_at": a.created, "ended_at": a.firstConnected, "stage": "connect",
			"workspace_agent_id": a.id, "workspace_agent_name": "main",
		}}
	}
	return out
}
