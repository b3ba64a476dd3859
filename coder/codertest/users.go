package codertest

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/codertest/internal/search"
)

func (s *Server) userRoutes() {
	s.public("GET /api/v2/users/first", getFirst)
	s.public("POST /api/v2/users/first", postFirst)
	s.public("POST /api/v2/users/login", login)
	s.public("GET /api/v2/users/authmethods", authMethods)
	s.private("POST /api/v2/users/logout", logout)
	s.private("GET /api/v2/users", listUsers)
	s.private("POST /api/v2/users", createUser)
	s.private("GET /api/v2/users/{user}", withUser(func(c *call, u *user) (int, any) { return http.StatusOK, c.s.userView(u) }))
	s.private("DELETE /api/v2/users/{user}", deleteUser)
	s.roleRoutes()
	s.private("PUT /api/v2/users/{user}/status/{status}", setStatus)
	s.private("GET /api/v2/users/{user}/organizations", withUser(func(c *call, _ *user) (int, any) {
		return http.StatusOK, []organizationJSON{c.s.organizationView()}
	}))
	s.keyRoutes()
}

// withUser resolves {user}, which members can do for themselves only.
func withUser(h func(*call, *user) (int, any)) handler {
	return func(c *call) (int, any) {
		c.s.state.mu.RLock()
		defer c.s.state.mu.RUnlock()
		u := c.pathUser()
		if u == nil {
			return c.noUser()
		}
		return h(c, u)
	}
}

// changingUser is withUser for what changes something.
func changingUser(h func(*call, *user) (int, any)) handler {
	return func(c *call) (int, any) {
		c.s.state.mu.Lock()
		defer c.s.state.mu.Unlock()
		u := c.pathUser()
		if u == nil {
			return c.noUser()
		}
		return h(c, u)
	}
}

// pathUser is the user that {user} names, if the caller may see it.
func (c *call) pathUser() *user {
	name := c.r.PathValue("user")
	if name == "me" {
		return c.user
	}
	u := c.s.state.findUser(name)
	if u == nil || u != c.user && !c.user.seesUsers() {
		return nil
	}
	return u
}

// noUser is what is said of a user in the path that the caller can't see.
func (c *call) noUser() (int, any) {
	if !c.s.as.unknownUser400 {
		return http.StatusNotFound, notFound
	}
	return http.StatusBadRequest, apiError{Message: `"user" must be an existing uuid or username.`,
		Detail: fmt.Sprintf("queried user=%q", c.r.PathValue("user"))}
}

func getFirst(c *call) (int, any) {
	c.s.state.mu.RLock()
	defer c.s.state.mu.RUnlock()
	if len(c.s.state.users) == 0 {
		return http.StatusNotFound, msg("The initial user has not been created!")
	}
	return http.StatusOK, msg("The initial user has already been created!")
}

type newUserJSON struct {
	Email           string      `json:"email"`
	Username        string      `json:"username"`
	Name            string      `json:"name"`
	Password        string      `json:"password"`
	LoginType       string      `json:"login_type"`
	UserStatus      string      `json:"user_status"`
	OrganizationIDs []uuid.UUID `json:"organization_ids"`
	ServiceAccount  bool        `json:"service_account"`
	Roles           []string    `json:"roles"`
}

const weakPassword = "insecure password, try including more special characters, using uppercase letters, using numbers or using a longer password"

func postFirst(c *call) (int, any) {
	var in newUserJSON
	if e := read(c, &in); e != nil {
		return http.StatusBadRequest, e
	}
	st := c.s.state
	st.mu.Lock()
	defer st.mu.Unlock()
	var missing []string
	for _, f := range [][2]string{{"email", in.Email}, {"username", in.Username}, {"password", in.Password}} {
		if f[1] == "" {
			missing = append(missing, f[0], failedTag("required", ""))
		}
	}
	switch {
	case missing != nil:
		return http.StatusBadRequest, invalid("Validation failed.", missing...)
	case len(st.users) > 0:
		return http.StatusConflict, msg("The initial user has already been created.")
	case !strong(in.Password):
		return http.StatusBadRequest, invalid("Password is invalid", "password", weakPassword)
	}
	u := st.addUser(user{username: in.Username, name: in.Name, email: in.Email, password: in.Password})
	return http.StatusCreated, map[string]uuid.UUID{"user_id": u.id, "organization_id": st.organization.id}
}

func failedTag(tag, value string) string {
	return fmt.Sprintf("Validation failed for tag %q with value: %q", tag, value)
}

// strong is a rough measure of entropy: six bits for each character of a
// password that mixes kinds, five otherwise.
func strong(password string) bool {
	kinds := map[int]bool{}
	for _, r := range password {
		switch {
		case unicode.IsUpper(r):
			kinds[0] = true
		case unicode.IsLower(r):
			kinds[1] = true
		case unicode.IsDigit(r):
			kinds[2] = true
		default:
			kinds[3] = true
		}
	}
	return len(password)*(4+len(kinds)/2) >= 52
}

func login(c *call) (int, any) {
	var in struct{ Email, Password string }
	if e := read(c, &in); e != nil {
		return http.StatusBadRequest, e
	}
	st := c.s.state
	st.mu.Lock()
	defer st.mu.Unlock()
	i := slices.IndexFunc(st.userList, func(u *user) bool { return strings.EqualFold(u.email, in.Email) })
	if i < 0 || st.userList[i].password != in.Password {
		return http.StatusUnauthorized, msg("Incorrect email or password.")
	}
	u := st.userList[i]
	if u.status == "suspended" {
		return http.StatusUnauthorized, msg("Your account is suspended. Contact an admin to reactivate your account.")
	}
	u.status = "active"
	u.lastSeen, u.updated = now(), now()
	k := st.addKey(apiKey{user: u, loginType: "password", lifetime: 24 * time.Hour})
	cookie := &http.Cookie{Name: "coder_session_token", Value: k.token(), Path: "/", MaxAge: 31536000, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if c.s.as.old {
		cookie.MaxAge = 0 // until the browser is closed
	}
	http.SetCookie(c.w, cookie)
	return http.StatusCreated, map[string]string{"session_token": k.token()}
}

func logout(c *call) (int, any) {
	c.s.state.mu.Lock()
	defer c.s.state.mu.Unlock()
	delete(c.s.state.keys, c.key.id)
	http.SetCookie(c.w, &http.Cookie{Name: "coder_session_token", Path: "/", MaxAge: -1})
	return http.StatusOK, msg("Logged out!")
}

func authMethods(*call) (int, any) {
	type m map[string]any
	return http.StatusOK, m{
		"password": m{"enabled": true},
		"github":   m{"enabled": true, "default_provider_configured": true},
		"oidc":     m{"enabled": false, "signInText": "", "iconUrl": ""},
	}
}

var (
	userKeys  = []string{"search", "name", "username", "email", "status", "role", "login_type", "service_account", "last_seen_before", "last_seen_after", "created_before", "created_after", "github_com_user_id"}
	nameRule  = regexp.MustCompile(`^[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*$`)
	emailRule = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`)
)

func validName(name string) bool {
	return len(name) <= 32 && nameRule.MatchString(name) && name != "new" && name != "create"
}

func listUsers(c *call) (int, any) {
	q, e := parseQuery(c, "Invalid user search query.", "search",
		c.s.without(userKeys, "name", "username", "email", "service_account"))
	if e != nil {
		return http.StatusBadRequest, e
	}
	pg, e := readPage(c)
	if e != nil {
		return http.StatusBadRequest, e
	}
	c.s.state.mu.RLock()
	defer c.s.state.mu.RUnlock()
	out := usersJSON{Users: []userJSON{}}
	var found []*user
	past := pg.after == uuid.Nil
	for _, u := range c.s.state.userList {
		if u != c.user && !c.user.seesUsers() || !u.matches(q) {
			continue
		}
		if past {
			out.Count++
			found = append(found, u)
		}
		past = past || u.id == pg.after
	}
	for _, u := range pg.cut(len(found)).of(found) {
		out.Users = append(out.Users, c.s.userView(u))
	}
	if len(out.Users) == 0 {
		out.Count = 0 // the server counts in the rows that it finds
	}
	return http.StatusOK, out
}

func (u *user) matches(q search.Query) bool {
	has := func(s, part string) bool { return strings.Contains(strings.ToLower(s), part) }
	for key, values := range q.Terms {
		v := values[len(values)-1]
		ok := true
		switch key {
		case "search":
			ok = has(u.username, v) || has(u.email, v) || has(u.name, v)
		case "name":
			ok = has(u.name, v)
		case "username":
			ok = has(u.username, v)
		case "email":
			ok = has(u.email, v)
		case "status":
			ok = slices.Contains(strings.Split(v, ","), u.status)
		case "role":
			ok = slices.Contains(u.roles, v)
		case "login_type":
			ok = u.loginType == v
		case "service_account":
			ok = v != "true"
		case "created_before", "created_after", "last_seen_before", "last_seen_after":
			t, err := time.Parse(time.RFC3339, strings.ToUpper(v))
			of := u.created
			if strings.HasPrefix(key, "last_seen") {
				of = u.lastSeen
			}
			ok = err == nil && (of.After(t) == strings.HasSuffix(key, "after"))
		}
		if !ok {
			return false
		}
	}
	return true
}

func createUser(c *call) (int, any) {
	var in newUserJSON
	if e := read(c, &in); e != nil {
		return http.StatusBadRequest, e
	}
	if !c.user.managesUsers() || slices.Contains(in.Roles, roleOwner) && !c.user.owner() {
		return http.StatusForbidden, msg("You are not authorized to create users.")
	}
	in.ServiceAccount = in.ServiceAccount && !c.s.as.old
	st := c.s.state
	st.mu.Lock()
	defer st.mu.Unlock()
	switch {
	case !validName(in.Username):
		return http.StatusBadRequest, invalid("Validation failed.", "username", failedTag("username", in.Username))
	case !in.ServiceAccount && in.Email == "":
		return http.StatusBadRequest, invalid("Validation failed.", "email", failedTag("required", ""))
	case !in.ServiceAccount && !emailRule.MatchString(in.Email):
		return http.StatusBadRequest, invalid("Validation failed.", "email", failedTag("email", in.Email))
	case in.ServiceAccount:
		return http.StatusForbidden, msg("Service Accounts is a Premium feature. Contact sales!")
	case in.LoginType == "none" && c.s.as.noLoginNone:
		return http.StatusBadRequest, msg("Login type 'none' requires a service account.")
	case len(in.OrganizationIDs) == 0:
		e := invalid("No organization specified to place the user as a member of. It is required to specify at least one organization id to place the user in.",
			"organization_ids", "Missing values, this cannot be empty")
		e.Detail = "required at least 1 value for the array 'organization_ids'"
		return http.StatusBadRequest, e
	case st.usersByName[strings.ToLower(in.Username)] != nil,
		slices.ContainsFunc(st.userList, func(u *user) bool { return strings.EqualFold(u.email, in.Email) }):
		return http.StatusConflict, msg("User already exists.")
	case in.LoginType != "none" && !strong(in.Password):
		return http.StatusBadRequest, invalid("Password is not strong enough!", "password", weakPassword)
	}
	u := st.addUser(user{username: in.Username, name: in.Name, email: in.Email, password: in.Password,
		status: in.UserStatus, loginType: in.LoginType, roles: in.Roles})
	c.s.notifyAbout(u, c.user, "created")
	return http.StatusCreated, c.s.userView(u)
}

var deleteUser = changingUser(func(c *call, u *user) (int, any) {
	st := c.s.state
	switch {
	case u == c.user:
		return http.StatusForbidden, msg("You cannot delete yourself!")
	case !c.user.managesUsers(), u.owner() && !c.user.owner():
		return http.StatusForbidden, forbidden
	case slices.ContainsFunc(st.workspaceList, func(w *workspace) bool { return w.owner == u }):
		return http.StatusExpectationFailed, msg("You cannot delete a user that has workspaces. Delete their workspaces and try again!")
	}
	st.removeUser(u)
	c.s.notifyAbout(u, c.user, "deleted")
	return http.StatusOK, msg("User has been deleted!")
})

var setStatus = changingUser(func(c *call, u *user) (int, any) {
	want, ok := map[string]string{"suspend": "suspended", "activate": "active"}[c.r.PathValue("status")]
	switch {
	case !ok:
		return http.StatusNotFound, msg("Route not found.")
	case !c.user.managesUsers():
		return http.StatusForbidden, forbidden
	case want == "suspended" && u == c.user:
		return http.StatusBadRequest, msg("You cannot suspend yourself.")
	case want == "suspended" && u.owner():
		return http.StatusBadRequest, msg("You cannot suspend a user with the %q role. You must remove the role first.", "owner")
	}
	u.status, u.updated = want, now()
	c.s.notifyAbout(u, c.user, map[string]string{"active": "activated", "suspended": "suspended"}[want])
	return http.StatusOK, c.s.userView(u)
})
