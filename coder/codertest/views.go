package codertest

import "github.com/google/uuid"

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
	for a := range b.agents() {
		if b.running() && !s.healthy(a) {
			v.Health = healthJSON{FailingAgents: append(v.Health.FailingAgents, a.id)}
		}
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
		for a := range b.agents() {
			r.Agents = append(r.Agents, s.agentView(a))
		}
		r.Metadata = []metadataJSON{{Key: "size", Value: b.parameter("size", "small")}}
		if b.version.external {
			r.Metadata = []metadataJSON{{Key: "agent_token", Value: b.agent.token.String(), Sensitive: true}}
		}
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
