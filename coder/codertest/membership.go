package codertest

import "net/http"

// membershipRoutes put users into the only organization and take them out.
func (s *Server) membershipRoutes() {
	const at = " /api/v2/organizations/{organization}/members/{user}"
	s.private("POST"+at, inOrganization(changingUser(func(c *call, u *user) (int, any) {
		switch {
		case !c.user.managesUsers():
			return http.StatusForbidden, forbidden
		case !u.outside:
			return http.StatusConflict, apiError{Message: "User is already an organization member", Detail: u.username + " is already a member of coder"}
		}
		u.outside = false
		return http.StatusOK, c.s.memberView(u)
	})))
	s.private("DELETE"+at, inOrganization(changingUser(func(c *call, u *user) (int, any) {
		switch {
		case u == c.user:
			return http.StatusBadRequest, msg("cannot remove self from an organization")
		case !c.user.managesUsers():
			return http.StatusForbidden, forbidden
		case u.outside:
			return http.StatusNotFound, notFound
		}
		u.outside = true
		return http.StatusNoContent, nil
	})))
}

// buildState is what Terraform keeps of a build. Only those who manage templates
// may see it.
func buildState(c *call, b *build) (int, any) {
	if !c.user.managesTemplates() {
		return http.StatusNotFound, notFound
	}
	resources := []object{}
	if a := b.agent; a != nil {
		resources = append(resources, object{
			"mode": "managed", "type": "coder_agent", "name": "main", "provider": `provider["registry.terraform.io/coder/coder"]`,
			"instances": []object{{"schema_version": 1, "attributes": object{"id": a.id, "token": a.token, "os": "linux", "arch": "amd64"}}},
		})
	}
	return http.StatusOK, object{
		"version": 4, "terraform_version": "1.11.4", "serial": b.number, "lineage": b.workspace.id, "outputs": object{},
		"resources": resources,
	}
}
