package codertest

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/google/uuid"
)

func (s *Server) roleRoutes() {
	s.private("GET /api/v2/users/roles", func(c *call) (int, any) {
		return http.StatusOK, assignableRoles(c.user.owner())
	})
	s.private("GET /api/v2/users/{user}/roles", withUser(userRoles))
	s.private("PUT /api/v2/users/{user}/roles", setRoles)
	s.private("PUT /api/v2/users/{user}/password", setPassword)
}

// roleOrder is how roles are listed.
var roleOrder = []string{roleOwner, roleAuditor, roleTemplateAdmin, roleUserAdmin}

func assignableRoles(byOwner bool) any {
	out := []object{}
	for _, name := range roleOrder {
		out = append(out, object{
			"name": name, "display_name": roleNames[name], "organization_id": "",
			"site_permissions": []struct{}{}, "organization_permissions": object{}, "user_permissions": []struct{}{},
			"assignable": byOwner || name != roleOwner, "built_in": true,
		})
	}
	return out
}

func userRoles(c *call, u *user) (int, any) {
	roles := append([]string{}, u.roles...)
	return http.StatusOK, map[string]any{
		"roles": roles, "organization_roles": map[uuid.UUID][]string{c.s.state.organization.id: {}},
	}
}

func setRoles(c *call) (int, any) {
	var in struct {
		Roles []string `json:"roles"`
	}
	if e := read(c, &in); e != nil {
		return http.StatusBadRequest, e
	}
	return changingUser(func(c *call, u *user) (int, any) {
		in.Roles = slices.DeleteFunc(in.Roles, func(r string) bool { return r == "member" }) // everybody is one
		touchesOwner := u.owner() || slices.Contains(in.Roles, roleOwner)
		switch {
		case u == c.user:
			return http.StatusBadRequest, msg("You cannot change your own roles.")
		case !c.user.managesUsers(), touchesOwner && !c.user.owner():
			return http.StatusForbidden, forbidden
		}
		for _, r := range in.Roles {
			if roleNames[r] == "" {
				return http.StatusBadRequest, msg("%q is not a valid site wide role.", r)
			}
		}
		slices.Sort(in.Roles)
		u.roles, u.updated = slices.Compact(in.Roles), now()
		return http.StatusOK, c.s.userView(u)
	})(c)
}

func setPassword(c *call) (int, any) {
	var in struct {
		OldPassword string `json:"old_password"`
		Password    string `json:"password"`
	}
	if e := read(c, &in); e != nil {
		return http.StatusBadRequest, e
	}
	return changingUser(func(c *call, u *user) (int, any) {
		switch {
		case u != c.user && !c.user.managesUsers():
			return http.StatusForbidden, forbidden
		case u.loginType != "password":
			return http.StatusBadRequest, msg("Users without password login type cannot change their password.")
		case !strong(in.Password):
			return http.StatusBadRequest, invalid("Invalid password.", "password", weakPassword)
		case u == c.user && in.OldPassword == "":
			return http.StatusBadRequest, invalid("Old password is required.", "old_password", "Old password is required.")
		case u == c.user && in.OldPassword != u.password:
			return http.StatusBadRequest, invalid("Old password is incorrect.", "old_password", "Old password is incorrect.")
		case in.Password == u.password:
			return http.StatusBadRequest, msg("New password cannot match old password.")
		}
		u.password, u.updated = in.Password, now()
		for id, k := range c.s.state.keys {
			if k.user == u { // whoever knew the old one is out
				delete(c.s.state.keys, id)
			}
		}
		return http.StatusNoContent, nil
	})(c)
}

// patchTemplate changes what is given. Nothing that changes is a 304.
func patchTemplate(c *call) (int, any) {
	var in struct {
		Name               *string `json:"name"`
		DisplayName        *string `json:"display_name"`
		Description        *string `json:"description"`
		Icon               *string `json:"icon"`
		DefaultTTLMillis   *int64  `json:"default_ttl_ms"`
		ActivityBumpMillis *int64  `json:"activity_bump_ms"`
		AllowCancel        *bool   `json:"allow_user_cancel_workspace_jobs"`
	}
	if e := read(c, &in); e != nil {
		return http.StatusBadRequest, e
	}
	return changingTemplate(func(c *call, t *template) (int, any) {
		var bad []string
		switch {
		case in.Name != nil && *in.Name != "" && !validName(*in.Name):
			bad = append(bad, "name", failedTag("template_name", *in.Name))
		case in.Description != nil && len(*in.Description) >= maxDescription:
			bad = append(bad, "description", failedTag("lt", *in.Description))
		case in.DefaultTTLMillis != nil && *in.DefaultTTLMillis < 0:
			bad = append(bad, "default_ttl_ms", "Must be a positive integer.")
		}
		if bad != nil {
			return http.StatusBadRequest, invalid("Invalid request to update template metadata!", bad...)
		}
		for _, o := range c.s.state.templates {
			if in.Name != nil && o != t && o.name == *in.Name {
				return http.StatusConflict, invalid(fmt.Sprintf("Template with name %q already exists.", o.name),
					"name", "This value is already in use and should be unique.")
			}
		}
		if in.Name != nil && *in.Name == "" {
			in.Name = nil
		}
		changed := set(&t.name, in.Name)
		changed = set(&t.displayName, in.DisplayName) || changed
		changed = set(&t.description, in.Description) || changed
		changed = set(&t.icon, in.Icon) || changed
		changed = set(&t.ttlMillis, in.DefaultTTLMillis) || changed
		changed = set(&t.bumpMillis, in.ActivityBumpMillis) || changed
		changed = set(&t.mayCancel, in.AllowCancel) || changed
		if !changed {
			return http.StatusNotModified, nil
		}
		t.updated = now()
		return http.StatusOK, c.s.templateView(t)
	})(c)
}

// set reports whether there was a new value.
func set[T comparable](field *T, v *T) bool {
	if v == nil || *v == *field {
		return false
	}
	*field = *v
	return true
}
