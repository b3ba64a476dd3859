package codertest

import "slices"

// Roles of the deployment. A member has none.
const (
	roleOwner         = "owner"
	roleUserAdmin     = "user-admin"
	roleTemplateAdmin = "template-admin"
	roleAuditor       = "auditor"
)

func (u *user) has(roles ...string) bool {
	return slices.ContainsFunc(u.roles, func(r string) bool { return slices.Contains(roles, r) })
}

func (u *user) owner() bool { return u.has(roleOwner) }

// managesTemplates reports whether a user may change templates and upload files.
func (u *user) managesTemplates() bool { return u.has(roleOwner, roleTemplateAdmin) }

// managesUsers reports whether a user may create, change and delete others.
func (u *user) managesUsers() bool { return u.has(roleOwner, roleUserAdmin) }

// seesUsers reports whether a user may see others.
func (u *user) seesUsers() bool {
	return u.has(roleOwner, roleUserAdmin, roleTemplateAdmin, roleAuditor)
}

// sees reports whether a user may see a workspace.
func (u *user) sees(w *workspace) bool { return u == w.owner || u.managesTemplates() }

// controls reports whether a user may change a workspace, and enter it.
func (u *user) controls(w *workspace) bool { return u == w.owner || u.owner() }

// may reports whether a user may do something. An owner may do everything, a
// member what concerns what is theirs.
func (u *user) may(action, resource string, mine bool) bool {
	switch {
	case u.owner(), u.mayAsMember(action, resource, mine):
		return true
	case u.has(roleTemplateAdmin):
		switch resource {
		case "template", "file", "provisioner_daemon", "provisioner_jobs", "prebuilt_workspace":
			return true
		case "workspace", "user", "group":
			return action == "read"
		}
	}
	switch resource {
	case "user":
		return u.has(roleUserAdmin) || u.seesUsers() && action == "read"
	case "organization_member", "assign_role", "assign_org_role", "group":
		return u.has(roleUserAdmin)
	case "audit_log", "deployment_stats", "deployment_config":
		return u.has(roleAuditor) && action == "read"
	}
	return false
}

func (u *user) mayAsMember(action, resource string, mine bool) bool {
	switch resource {
	case "workspace", "workspace_dormant", "workspace_proxy":
		return mine
	case "user":
		return mine && (action == "read" || action == "read_personal" || action == "update_personal")
	case "user_secret", "api_key", "notification_preference", "notification_message":
		return mine
	case "template":
		return action == "read" || action == "use"
	case "organization", "organization_member", "assign_role", "assign_org_role", "deployment_stats":
		return action == "read"
	}
	return false
}
