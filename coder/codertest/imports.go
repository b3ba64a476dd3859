package codertest

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"github.com/google/uuid"
)

func (s *Server) importRoutes() {
	s.private("POST /api/v2/organizations/{organization}/templateversions", inOrganization(createVersion))
	s.private("PATCH /api/v2/templateversions/{version}/cancel", changingVersion(cancelImport))
	s.private("GET /api/v2/templateversions/{version}/logs", versionLogs)
}

var versionNameRule = regexp.MustCompile(`^[a-zA-Z0-9]+(?:[_.-][a-zA-Z0-9]+)*$`)

// createVersion begins the import of an uploaded file.
func createVersion(c *call) (int, any) {
	var in struct {
		Name          string    `json:"name"`
		Message       string    `json:"message"`
		TemplateID    uuid.UUID `json:"template_id"`
		StorageMethod string    `json:"storage_method"`
		FileID        uuid.UUID `json:"file_id"`
		Provisioner   string    `json:"provisioner"`
	}
	if e := read(c, &in); e != nil {
		return http.StatusBadRequest, e
	}
	var bad []string
	if in.Name != "" && (len(in.Name) > 64 || !versionNameRule.MatchString(in.Name)) {
		bad = append(bad, "name", failedTag("template_version_name", in.Name))
	}
	if in.StorageMethod != "file" {
		bad = append(bad, "storage_method", failedTag("oneof", in.StorageMethod))
	}
	if in.Provisioner != "terraform" && in.Provisioner != "echo" {
		bad = append(bad, "provisioner", failedTag("oneof", in.Provisioner))
	}
	if bad != nil {
		return http.StatusBadRequest, invalid("Validation failed.", bad...)
	}
	if !c.user.managesTemplates() {
		return http.StatusForbidden, forbidden
	}
	st := c.s.state
	st.mu.Lock()
	defer st.mu.Unlock()
	t := st.templates[in.TemplateID]
	source := st.files[in.FileID]
	switch {
	case in.TemplateID != uuid.Nil && t == nil:
		return http.StatusNotFound, msg("Template does not exist.")
	case source == nil:
		return http.StatusNotFound, msg("File not found.")
	case t != nil && in.Name != "" && slices.ContainsFunc(t.versions, func(v *version) bool { return v.name == in.Name }):
		return http.StatusConflict, invalid(fmt.Sprintf("A template version with name %q already exists.", in.Name),
			"name", "This value is already in use and should be unique.")
	}
	v := &version{
		id: st.newID(), jobID: st.newID(), fileID: source.id, template: t, name: in.Name, message: in.Message,
		created: now(), createdBy: c.user, status: "pending", source: source,
	}
	if v.name == "" {
		v.name = "tidy_" + st.letters(6)
	}
	v.updated = v.created
	st.versions[v.id] = v
	if t != nil {
		t.versions = append(t.versions, v)
	}
	c.s.submit(v)
	view, seen := c.s.versionView(v), now()
	view.MatchedProvisioners = &matchedJSON{c.s.cfg.Provisioners, c.s.cfg.Provisioners, &seen}
	view.Job.QueuePosition, view.Job.QueueSize = 0, 0
	return http.StatusCreated, view
}

func (v *version) begin(s *Server) {
	t := now()
	v.started, v.updated, v.status, v.worker = &t, t, "running", s.state.newID()
	s.state.startLogs(&v.logs)
	v.changed.fire()
	v.stop = s.after(s.cfg.BuildTime.sample(s.jobs.rng), func() {
		if err := v.source.check(); err != nil {
			v.err = "unpack the template: " + err.Error()
			v.finish(s, "failed")
			return
		}
		v.parameters = s.state.parameters
		v.external, v.items = v.source.agentTemplate()
		v.finish(s, "succeeded")
	})
}

// finish ends an import and starts the next job.
func (v *version) finish(s *Server, status string) {
	t := now()
	v.completed, v.updated, v.status = &t, t, status
	s.jobs.running--
	s.state.endLogs(&v.logs)
	v.changed.fire()
	s.dispatch()
}

func cancelImport(c *call, v *version) (int, any) {
	switch {
	case !c.user.managesTemplates():
		return http.StatusForbidden, forbidden
	case jobDone(v.status):
		return http.StatusBadRequest, msg("Job has already completed!")
	case v.canceled != nil:
		return http.StatusBadRequest, msg("Job has already been marked as canceled!")
	}
	t := now()
	v.canceled = &t
	if v.status == "pending" {
		v.completed, v.status = &t, "canceled"
		c.s.jobs.drop(v)
	} else {
		v.status = "canceling"
		if v.stop() {
			c.s.after(c.s.cancelTime(), func() { v.finish(c.s, "canceled") })
		}
	}
	v.changed.fire()
	return http.StatusOK, msg("Job has been marked as canceled...")
}

// changingVersion is withVersion for what changes something.
func changingVersion(h func(*call, *version) (int, any)) handler {
	return changing("version", func(c *call, id uuid.UUID) *version { return c.s.state.versions[id] }, h)
}

func versionLogs(c *call) (int, any) {
	after, e := readAfter(c)
	var v *version
	status, body := withVersion(func(_ *call, found *version) (int, any) {
		v = found
		return http.StatusOK, nil
	})(c)
	switch {
	case v == nil:
		return status, body
	case e != nil:
		return http.StatusBadRequest, e
	}
	return c.jobLogs(after, jobLog{&v.changed, &v.logs, &v.status})
}

// usable refuses builds of versions that are not imported, or never will be.
func (v *version) usable() (int, *apiError) {
	var e apiError
	switch v.status {
	case "succeeded":
		return 0, nil
	case "failed":
		e = msg("The provided template version %q has failed to import: %q. You cannot build workspaces with it!", v.name, v.err)
		return http.StatusBadRequest, &e
	case "canceled":
		e = msg("The provided template version was canceled during import. You cannot build workspaces with it!")
		return http.StatusBadRequest, &e
	}
	e = msg("The provided template version is %s. Wait for it to complete importing!", v.status)
	return http.StatusNotAcceptable, &e
}
