package codertest

import (
	"time"

	"github.com/google/uuid"
)

// What the state looks like on the wire. All of it is called with the lock held.

func (s *Server) userView(u *user) userJSON {
	organizations := []uuid.UUID{s.state.organization.id}
	if u.outside {
		organizations = []uuid.UUID{}
	}
	return userJSON{
		ID: u.id, Username: u.username, Name: u.name, Email: u.email, CreatedAt: u.created, UpdatedAt: u.updated,
		LastSeenAt: u.lastSeen, Status: u.status, LoginType: u.loginType,
		OrganizationIDs: organizations, Roles: roleViews(u.roles),
		HasAISeat: since(s, false),
	}
}

var roleNames = map[string]string{
	"owner": "Owner", "user-admin": "User Admin", "template-admin": "Template Admin", "auditor": "Auditor",
}

func roleViews(names []string) []roleJSON {
	out := make([]roleJSON, 0, len(names))
	for _, n := range names {
		out = append(out, roleJSON{n, roleNames[n]})
	}
	return out
}

func (s *Server) organizationView() organizationJSON {
	o := s.state.organization
	v := organizationJSON{
		ID: o.id, Name: "coder", DisplayName: "Coder", Description: "Builtin default organization.",
		CreatedAt: o.created, UpdatedAt: o.created, IsDefault: true,
	}
	if !s.as.old {
		v.DefaultOrgMemberRoles = []string{"organization-workspace-access"}
	}
	return v
}

var weekdays = []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

func (s *Server) templateView(t *template) templateJSON {
	return templateJSON{
		ID: t.id, CreatedAt: t.created, UpdatedAt: t.updated, OrganizationID: s.state.organization.id,
		OrganizationName: "coder", OrganizationDisplayName: "Coder", Name: t.name, Provisioner: "terraform",
		DisplayName: t.displayName, Description: t.description, Icon: t.icon, DefaultTTLMillis: t.ttlMillis,
		AllowUserCancelWorkspaceJobs: t.mayCancel,
		ActiveVersionID:              t.active.id,
		BuildTimeStats:               t.buildTimes(),
		ActivityBumpMillis:           t.bumpMillis, AutostopRequirement: autostopJSON{[]string{}, 1},
		AutostartRequirement: autostartJSON{weekdays}, CreatedByID: t.createdBy.id, CreatedByName: t.createdBy.username,
		AllowUserAutostart: true, AllowUserAutostop: true, MaxPortShareLevel: "public", CORSBehavior: "simple",
		AgentsAllowed: since(s, true), Deleted: since(s, false), DisableModuleCache: since(s, false),
		TimeTilAutostopNotifyMillis: since(s, int64(0)),
	}
}

func (s *Server) versionView(v *version) versionJSON {
	out := versionJSON{
		ID: v.id, OrganizationID: s.state.organization.id, CreatedAt: v.created,
		UpdatedAt: v.updated, Name: v.name, Message: v.message, Job: s.importView(v),
		CreatedBy: createdByJSON{v.createdBy.id, v.createdBy.username, v.createdBy.name},
	}
	if s.as.old {
		out.CreatedBy.Name = ""
	}
	if v.template != nil {
		out.TemplateID = &v.template.id
	}
	return out
}

func (s *Server) importView(v *version) jobJSON {
	out := jobJSON{
		ID: v.jobID, CreatedAt: v.created, StartedAt: v.started, CompletedAt: v.completed, CanceledAt: v.canceled,
		Status: v.status, Error: v.err, FileID: v.fileID, Tags: jobTags(), OrganizationID: s.state.organization.id,
		InitiatorID: since(s, v.createdBy.id), Input: jobInputJSON{TemplateVersionID: &v.id}, Type: "template_version_import",
	}
	if v.worker != uuid.Nil {
		out.WorkerID = &v.worker
	}
	out.QueuePosition, out.QueueSize = s.jobs.position(v, v.status)
	return out
}

func jobTags() map[string]string { return map[string]string{"owner": "", "scope": "organization"} }

func (s *Server) workspaceView(w *workspace, viewer *user) workspaceJSON {
	b := w.latest()
	v := workspaceJSON{
		ID: w.id, CreatedAt: w.created, UpdatedAt: w.updated, OwnerID: w.owner.id, OwnerName: w.owner.username,
		OrganizationID: s.state.organization.id, OrganizationName: "coder", TemplateID: w.template.id,
		TemplateName: w.template.name, TemplateDisplayName: w.template.displayName, TemplateIcon: w.template.icon,
		TemplateAllowUserCancelWorkspaceJobs: w.template.mayCancel, TemplateActiveVersionID: w.template.active.id,
		LatestBuild: s.buildView(b), Outdated: b.version != w.template.active, Name: w.name,
		AutostartSchedule: w.autostart, TTLMillis: w.ttlMillis, LastUsedAt: w.lastUsed, DormantAt: w.dormant,
		Health:           healthJSON{Healthy: true, FailingAgents: []uuid.UUID{}},
		AutomaticUpdates: w.automaticUpdates, Favorite: w.favorite && viewer == w.owner, NextStartAt: w.nextStart(),
		IsPrebuild: w.owner.id == prebuildsID,
	}
	if !s.as.old {
		v.TaskID = null
	}
	if a := b.agent; a != nil && b.running() && !s.healthy(a) {
		v.Health = healthJSON{FailingAgents: []uuid.UUID{a.id}}
	}
	return v
}

func (s *Server) buildView(b *build) buildJSON {
	v := buildJSON{
		ID: b.id, CreatedAt: b.created, UpdatedAt: b.updated, WorkspaceID: b.workspace.id,
		WorkspaceName: b.workspace.name, WorkspaceOwnerID: b.workspace.owner.id,
		WorkspaceOwnerName: b.workspace.owner.username, TemplateVersionID: b.version.id,
		TemplateVersionName: b.version.name, BuildNumber: b.number, Transition: b.transition,
		InitiatorID: b.initiator.id, InitiatorName: b.initiator.username, Job: s.jobView(b), Reason: b.reason,
		Resources: s.resourceViews(b), Deadline: b.deadline, Status: b.workspaceStatus(),
	}
	if b.status == "succeeded" || b.status == "canceled" && b.agent != nil {
		v.HasAITask, v.HasExternalAgent = new(bool), new(bool)
	}
	return v
}

// newBuildView is what the one who asks for a build is told: who might do it,
// and nothing of the queue yet.
func (s *Server) newBuildView(b *build) buildJSON {
	v, seen := s.buildView(b), now()
	v.MatchedProvisioners = matchedJSON{s.cfg.Provisioners, s.cfg.Provisioners, &seen}
	v.Job.QueuePosition, v.Job.QueueSize = 0, 0
	return v
}

func (s *Server) jobView(b *build) jobJSON {
	v := jobJSON{
		ID: b.jobID, CreatedAt: b.created, StartedAt: b.started, CompletedAt: b.completed, CanceledAt: b.canceled,
		Error: b.err, Status: b.status, FileID: b.version.fileID, Tags: jobTags(),
		OrganizationID: s.state.organization.id, InitiatorID: since(s, b.initiator.id),
		Input: jobInputJSON{WorkspaceBuildID: &b.id}, Type: "workspace_build",
	}
	if b.worker != uuid.Nil {
		v.WorkerID = &b.worker
	}
	v.QueuePosition, v.QueueSize = s.jobs.position(b, b.status)
	return v
}

func (s *Server) resourceViews(b *build) []resourceJSON {
	out := []resourceJSON{}
	if b.resourceID == uuid.Nil {
		return out
	}
	r := resourceJSON{
		ID: b.resourceID, CreatedAt: b.created, JobID: b.jobID, WorkspaceTransition: b.transition,
		Type: "terraform_data", Name: "agent",
	}
	if b.completed != nil {
		r.CreatedAt = *b.completed
	}
	if b.agent != nil {
		r.Agents = []agentJSON{s.agentView(b.agent)}
		r.Metadata = []metadataJSON{{Key: "size", Value: b.parameter("size", "small")}}
	}
	return append(out, r)
}

func (b *build) parameter(name, def string) string {
	for _, p := range b.parameters {
		if p.Name == name {
			return p.Value
		}
	}
	return def
}

func (s *Server) agentView(a *agent) agentJSON {
	dir := "/home/coder/ws/" + a.build.workspace.id.String()
	status := a.status(s.cfg.AgentTimeout)
	v := agentJSON{
		ID: a.id, CreatedAt: a.created, UpdatedAt: a.updated, FirstConnectedAt: a.firstConnected,
		StartedAt: a.ready, ReadyAt: a.ready, Status: status, LifecycleState: "created", Name: "main",
		ResourceID: a.resourceID, Architecture: "amd64", OperatingSystem: "linux", LogsLength: len(startupLog),
		Directory: dir, ConnectionTimeoutSeconds: 120,
		TroubleshootingURL: "https://coder.com/docs/admin/templates/troubleshooting", Subsystems: []string{},
		Health:      agentHealthJSON{Healthy: true},
		DisplayApps: []string{"vscode", "ssh_helper", "port_forwarding_helper", "web_terminal"},
		LogSources: []logSourceJSON{{WorkspaceAgentID: a.id, ID: a.sourceID, CreatedAt: a.created,
			DisplayName: "Startup Script", Icon: "/emojis/25b6-fe0f.png"}},
		StartupScriptBehavior: "non-blocking",
	}
	script := scriptJSON{ID: a.script, LogSourceID: a.sourceID, LogPath: "coder-startup-script.log",
		Script: "echo \"startup script says hallo\"\necho \"second line\"\n", RunOnStart: true, DisplayName: "Startup Script"}
	v.Apps = s.appViews(a)
	if a.firstConnected == nil {
		v.LogsLength = 0
		if !s.as.connectingIsHealthy {
			v.Health = agentHealthJSON{Reason: "agent has not yet connected"}
		}
		v.Scripts = []scriptJSON{script}
		return v
	}
	seen := a.lastSeen()
	v.LastConnectedAt, v.LifecycleState = &seen, "ready"
	v.ExpandedDirectory, v.Version, v.APIVersion = dir, s.cfg.Version, s.as.agentAPI
	script.ExitCode, script.Status = since(s, 0), since(s, "ok")
	v.Scripts = []scriptJSON{script}
	if v.DisconnectedAt = a.lost; status == "disconnected" {
		gone := a.gone(s.cfg.AgentTimeout)
		v.DisconnectedAt = &gone
		v.Health = agentHealthJSON{Reason: "agent has lost connection"}
		if a.off {
			v.LifecycleState, v.Health.Reason = "off", "agent is not running"
		}
		return v
	}
	v.Latency = map[string]latencyJSON{"Coder Embedded Relay": {true, 0.35}}
	return v
}

// gone is when a disconnected agent was found to be so.
func (a *agent) gone(timeout time.Duration) time.Time {
	if a.dead.IsZero() {
		return a.updated
	}
	return a.dead.Add(timeout)
}

// healthy reports whether an agent is no reason to worry.
func (s *Server) healthy(a *agent) bool {
	status := a.status(s.cfg.AgentTimeout)
	return status == "connected" || status == "connecting" && s.as.connectingIsHealthy
}
