package codertest

import (
	"net/http"
	"time"

	"github.com/google/uuid"
)

// dryRun is a job that tries a template version out without making anything.
type dryRun struct {
	id, worker                   uuid.UUID
	version                      *version
	by                           *user
	created                      time.Time
	status                       string
	started, completed, canceled *time.Time
	logs                         []logJSON
	changed                      signal
	stop                         func() bool
}

func (s *Server) dryRunRoutes() {
	const at = " /api/v2/templateversions/{version}/dry-run"
	s.private("POST"+at, createDryRun)
	s.private("GET"+at+"/{job}", withDryRun(func(c *call, d *dryRun) (int, any) {
		return http.StatusOK, c.s.dryRunView(d)
	}))
	s.private("GET"+at+"/{job}/resources", withDryRun(func(c *call, d *dryRun) (int, any) {
		if !jobDone(d.status) {
			return http.StatusPreconditionFailed, msg("Template version dry-run job hasn't completed!")
		}
		return versionResources(c, d.version)
	}))
	s.private("GET"+at+"/{job}/logs", dryRunLogs)
	s.private("PATCH"+at+"/{job}/cancel", withDryRun(cancelDryRun))
}

func createDryRun(c *call) (int, any) {
	var in struct {
		WorkspaceName       string           `json:"workspace_name"`
		RichParameterValues []parameterValue `json:"rich_parameter_values"`
	}
	if e := read(c, &in); e != nil {
		return http.StatusBadRequest, e
	}
	return changingVersion(func(c *call, v *version) (int, any) {
		if status, e := v.usable(); e != nil {
			return status, e
		}
		if _, e := v.resolve(in.RichParameterValues, nil); e != nil {
			return http.StatusBadRequest, e
		}
		st := c.s.state
		d := &dryRun{id: st.newID(), version: v, by: c.user, created: now(), status: "pending"}
		st.dryRuns[d.id] = d
		c.s.submit(d)
		view := c.s.dryRunView(d)
		view.QueuePosition, view.QueueSize = 0, 0
		return http.StatusCreated, view
	})(c)
}

func withDryRun(h func(*call, *dryRun) (int, any)) handler {
	return changing("job", func(c *call, id uuid.UUID) *dryRun {
		d := c.s.state.dryRuns[id]
		if d == nil || d.version.id.String() != c.r.PathValue("version") || d.by != c.user && !c.user.managesTemplates() {
			return nil
		}
		return d
	}, h)
}

func (s *Server) dryRunView(d *dryRun) jobJSON {
	v := jobJSON{
		ID: d.id, CreatedAt: d.created, StartedAt: d.started, CompletedAt: d.completed, CanceledAt: d.canceled,
		Status: d.status, FileID: d.version.fileID, Tags: jobTags(), OrganizationID: s.state.organization.id,
		InitiatorID: since(s, d.by.id), Input: jobInputJSON{TemplateVersionID: &d.version.id}, Type: "template_version_dry_run",
	}
	if d.worker != uuid.Nil {
		v.WorkerID = &d.worker
	}
	v.QueuePosition, v.QueueSize = s.jobs.position(d, d.status)
	return v
}

func (d *dryRun) begin(s *Server) {
	t := now()
	d.started, d.status, d.worker = &t, "running", s.state.newID()
	s.state.startLogs(&d.logs)
	d.changed.fire()
	d.stop = s.after(s.cfg.BuildTime.sample(s.jobs.rng), func() { d.finish(s, "succeeded") })
}

func (d *dryRun) finish(s *Server, status string) {
	t := now()
	d.completed, d.status = &t, status
	s.jobs.running--
	s.state.endLogs(&d.logs)
	d.changed.fire()
	s.dispatch()
}

func cancelDryRun(c *call, d *dryRun) (int, any) {
	switch {
	case jobDone(d.status):
		return http.StatusBadRequest, msg("Job has already completed!")
	case d.canceled != nil:
		return http.StatusBadRequest, msg("Job has already been marked as canceled!")
	}
	t := now()
	d.canceled = &t
	if d.status == "pending" {
		d.completed, d.status = &t, "canceled"
		c.s.jobs.drop(d)
	} else if d.status = "canceling"; d.stop() {
		c.s.after(c.s.cancelTime(), func() { d.finish(c.s, "canceled") })
	}
	d.changed.fire()
	return http.StatusOK, msg("Job has been marked as canceled...")
}

func dryRunLogs(c *call) (int, any) {
	after, e := readAfter(c)
	if e != nil {
		return http.StatusBadRequest, e
	}
	var d *dryRun
	status, body := withDryRun(func(_ *call, found *dryRun) (int, any) {
		d = found
		return handled, nil
	})(c)
	if d == nil {
		return status, body
	}
	return c.jobLogs(after, jobLog{&d.changed, &d.logs, &d.status})
}
