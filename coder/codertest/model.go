package codertest

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// A template and its versions, a workspace, its builds and their agents.

type template struct {
	id               uuid.UUID
	name             string
	displayName      string
	description      string
	icon             string
	ttlMillis        int64 // of its workspaces, 0 for none
	bumpMillis       int64
	mayCancel        bool // members their builds
	created, updated time.Time
	createdBy        *user
	versions         []*version
	active           *version
	apps             []App
	times            map[string][]time.Duration // of the last builds
}

type version struct {
	id, jobID, fileID, worker    uuid.UUID
	template                     *template // nil before it has one
	name, message                string
	created, updated             time.Time
	createdBy                    *user
	parameters                   []parameterJSON
	status, err                  string // of its import
	started, completed, canceled *time.Time
	logs                         []logJSON
	changed                      signal
	stop                         func() bool
	source                       *file
	external                     bool // its agents are played by who has their tokens
	items                        int  // of metadata that they declare, 0 for the usual ones
}

type workspace struct {
	id               uuid.UUID
	name, sortKey    string
	owner            *user
	template         *template
	created, updated time.Time
	lastUsed         time.Time
	builds           []*build
	autostart        *string
	ttlMillis        *int64
	dormant          *time.Time
	automaticUpdates string
	favorite         bool
	deleted          bool
	changed          signal
}

func (w *workspace) fullName() string { return fullName(w.owner.username, w.name) }
func (w *workspace) latest() *build   { return w.builds[len(w.builds)-1] }

type build struct {
	id, jobID          uuid.UUID
	workspace          *workspace
	version            *version
	initiator          *user
	number             int
	transition, reason string
	created, updated   time.Time
	status             string // of the job
	err                string
	worker             uuid.UUID
	started, completed *time.Time
	canceled           *time.Time
	deadline           *time.Time
	parameters         []parameterValue
	resourceID         uuid.UUID
	agent              *agent
	subAgents          []*agent
	orphan             bool
	logs               []logJSON
	changed            signal
	stop               func() bool
}

func (st *state) addTemplate(by *user, name string, parameters []parameterJSON) *template {
	t := &template{id: st.newID(), name: name, created: now(), createdBy: by, apps: st.apps}
	t.updated, t.bumpMillis = t.created, int64(time.Hour/time.Millisecond)
	st.templates[t.id] = t
	st.addVersion(t, by, "", parameters)
	return t
}

// addVersion adds one that has been imported already, and makes it the active
// one.
func (st *state) addVersion(t *template, by *user, message string, parameters []parameterJSON) *version {
	v := &version{
		id: st.newID(), jobID: st.newID(), fileID: st.newID(), worker: st.newID(), template: t,
		name: "tidy_" + st.letters(6), message: message, created: now(), createdBy: by, parameters: parameters,
		status: "succeeded",
	}
	v.updated, v.started, v.completed = v.created, &v.created, &v.created
	st.addLogs(&v.logs, 0, len(buildStages))
	st.versions[v.id] = v
	t.versions = append(t.versions, v)
	t.active = v
	return v
}

func (st *state) newWorkspace(owner *user, t *template, name string) *workspace {
	w := &workspace{id: st.newID(), name: name, owner: owner, template: t, created: now(), automaticUpdates: "never"}
	w.updated, w.lastUsed = w.created, w.created
	w.sortKey = w.fullName()
	return w
}

// newBuild appends a pending build.
func (st *state) newBuild(w *workspace, by *user, transition, reason string) *build {
	b := &build{
		id: st.newID(), jobID: st.newID(), workspace: w, version: w.template.active, initiator: by,
		number: len(w.builds) + 1, transition: transition, reason: reason, created: now(), status: "pending",
	}
	b.updated = b.created
	if len(w.builds) > 0 {
		b.version = w.latest().version
		b.parameters = slices.Clone(w.latest().parameters)
	}
	w.builds = append(w.builds, b)
	st.builds[b.id] = b
	return b
}

// running reports whether the build brought the workspace up.
func (b *build) running() bool { return b.transition == "start" && b.status == "succeeded" }

// done reports whether the job has ended.
func (b *build) done() bool { return jobDone(b.status) }

func jobDone(status string) bool {
	return status == "succeeded" || status == "failed" || status == "canceled"
}

// workspaceStatus is the status of the workspace after this build.
func (b *build) workspaceStatus() string {
	switch b.status {
	case "running":
		return map[string]string{"start": "starting", "stop": "stopping", "delete": "deleting"}[b.transition]
	case "succeeded":
		return map[string]string{"start": "running", "stop": "stopped", "delete": "deleted"}[b.transition]
	}
	return b.status
}
