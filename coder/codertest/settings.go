package codertest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// settingRoutes are what can be changed about a workspace.
func (s *Server) settingRoutes() {
	const at = " /api/v2/workspaces/{workspace}"
	s.private("PATCH"+at, rename)
	s.private("PUT"+at+"/autostart", setAutostart)
	s.private("PUT"+at+"/ttl", setTTL)
	s.private("PUT"+at+"/extend", extend)
	s.private("PUT"+at+"/dormant", setDormant)
	s.private("PUT"+at+"/autoupdates", setAutoUpdates)
	s.private("PUT"+at+"/favorite", favorite(true))
	s.private("DELETE"+at+"/favorite", favorite(false))
	s.private("POST"+at+"/usage", withWorkspace(func(_ *call, w *workspace) (int, any) {
		w.lastUsed = now()
		return http.StatusNoContent, nil
	}))
	fixed := func(path string, v any) {
		s.private("GET"+at+path, withWorkspace(func(*call, *workspace) (int, any) { return http.StatusOK, v }))
	}
	fixed("/resolve-autostart", map[string]bool{"parameter_mismatch": false})
	fixed("/port-share", map[string][]struct{}{"shares": {}})
	if s.as.old {
		s.private("GET"+at+"/acl", withWorkspace(func(*call, *workspace) (int, any) {
			return http.StatusForbidden, msg("Workspace Sharing functionality requires enabling the 'workspace-sharing' experiment.")
		}))
	} else {
		fixed("/acl", map[string][]struct{}{"users": {}, "group": {}})
	}
	s.private("GET"+at+"/timings", withWorkspace(func(c *call, w *workspace) (int, any) {
		return http.StatusOK, c.s.timings(w.latest())
	}))
}

// setting decodes a body before the workspace is looked for.
func setting[T any](h func(*call, *workspace, T) (int, any)) handler {
	return func(c *call) (int, any) {
		var in T
		if e := read(c, &in); e != nil {
			return http.StatusBadRequest, e
		}
		return withWorkspace(func(c *call, w *workspace) (int, any) {
			if !c.user.controls(w) {
				return http.StatusForbidden, forbidden
			}
			return h(c, w, in)
		})(c)
	}
}

var rename = setting(func(c *call, w *workspace, in struct {
	Name string `json:"name"`
}) (int, any) {
	switch {
	case in.Name == "" || in.Name == w.name:
		return http.StatusNoContent, nil
	case !validName(in.Name):
		return http.StatusBadRequest, invalid("Validation failed.", "name", failedTag("workspace_name", in.Name))
	}
	return http.StatusMethodNotAllowed, msg("Workspace renames are not allowed")
})

var setAutostart = setting(func(_ *call, w *workspace, in struct {
	Schedule *string `json:"schedule"`
}) (int, any) {
	if in.Schedule != nil && len(strings.Fields(*in.Schedule)) < 5 {
		return http.StatusBadRequest, invalid("Invalid autostart schedule.", "schedule", "expected schedule to consist of 5 fields with an optional CRON_TZ=<timezone> prefix")
	}
	w.autostart = in.Schedule
	w.changed.fire()
	return http.StatusNoContent, nil
})

var setTTL = setting(func(_ *call, w *workspace, in struct {
	TTLMillis *int64 `json:"ttl_ms"`
}) (int, any) {
	if in.TTLMillis != nil {
		d := time.Duration(*in.TTLMillis) * time.Millisecond
		switch {
		case d < time.Minute:
			return http.StatusBadRequest, invalid("Invalid workspace time until shutdown.", "ttl_ms", "time until shutdown must be at least one minute")
		case d > 30*24*time.Hour:
			return http.StatusBadRequest, invalid("Invalid workspace time until shutdown.", "ttl_ms", "time until shutdown must be less than 30 days")
		}
	}
	if w.ttlMillis = in.TTLMillis; w.ttlMillis == nil {
		w.latest().deadline = nil
	}
	w.changed.fire()
	return http.StatusNoContent, nil
})

var extend = setting(func(_ *call, w *workspace, in struct {
	Deadline time.Time `json:"deadline"`
}) (int, any) {
	b := w.latest()
	switch {
	case !b.running():
		return http.StatusConflict, msg("Workspace must be started, current status: %s", b.workspaceStatus())
	case b.deadline == nil:
		return http.StatusConflict, msg("Workspace shutdown is manual.")
	case in.Deadline.Before(now().Add(30 * time.Minute)):
		return http.StatusBadRequest, apiError{Message: "Cannot extend workspace: new deadline must be at least 30 minutes in the future"}
	}
	b.deadline = &in.Deadline
	w.changed.fire()
	return http.StatusOK, msg("Deadline updated to %s.", in.Deadline.Format(time.RFC3339))
})

var setDormant = setting(func(c *call, w *workspace, in struct {
	Dormant bool `json:"dormant"`
}) (int, any) {
	if in.Dormant == (w.dormant != nil) {
		return http.StatusNotModified, nil
	}
	w.dormant = nil
	if in.Dormant {
		t := now()
		w.dormant = &t
	}
	w.changed.fire()
	return http.StatusOK, c.s.workspaceView(w, c.user)
})

var setAutoUpdates = setting(func(_ *call, w *workspace, in struct {
	AutomaticUpdates string `json:"automatic_updates"`
}) (int, any) {
	if !slices.Contains([]string{"always", "never"}, in.AutomaticUpdates) {
		return http.StatusBadRequest, invalid("Invalid request", "automatic_updates", "must be always or never")
	}
	w.automaticUpdates = in.AutomaticUpdates
	return http.StatusNoContent, nil
})

func favorite(yes bool) handler {
	return withWorkspace(func(c *call, w *workspace) (int, any) {
		if w.owner != c.user {
			return http.StatusForbidden, msg("You can only favorite workspaces that you own.")
		}
		w.favorite = yes
		return http.StatusNoContent, nil
	})
}
