package codertest

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// The limits of a real server's histograms, in seconds.
var (
	requestLimits = []float64{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 10, 30}
	waitLimits    = []float64{0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 900, 1800}
	buildLimits   = []float64{1, 10, 30, 60, 300, 600, 1800, 3600}
)

// jobTimes is what the provisioners have done, guarded by the state's lock.
type jobTimes struct {
	waits, builds times
	ended         map[endedBuild]int64
}

// endedBuild is what tells builds that have ended apart. A real server also names
// the workspace.
type endedBuild struct{ status, template, version, transition string }

func (j *jobTimes) init() {
	j.waits.limits, j.builds.limits, j.ended = waitLimits, buildLimits, map[endedBuild]int64{}
}

// acquired notes how long a job has waited for its provisioner.
func (s *Server) acquired(q queued) {
	var created time.Time
	kind, transition, reason := "", "", ""
	switch job := q.(type) {
	case *build:
		created, kind, transition, reason = job.created, "workspace_build", job.transition, job.reason
	case *version:
		created, kind = job.created, "template_version_import"
	case *dryRun:
		created, kind = job.created, "template_version_dry_run"
	}
	s.did.waits.add(max(now().Sub(created).Seconds(), 0),
		"build_reason", reason, "job_type", kind, "provisioner_type", "terraform", "transition", transition)
}

// ended notes a build that a provisioner has done.
func (s *Server) ended(b *build) {
	status := map[string]string{"succeeded": "success"}[b.status]
	if status == "" {
		status = b.status
	}
	transition := map[string]string{"delete": "DESTROY"}[b.transition]
	if transition == "" {
		transition = strings.ToUpper(b.transition)
	}
	is := endedBuild{status, b.workspace.template.name, b.version.name, transition}
	s.did.ended[is]++
	s.did.builds.add(b.completed.Sub(*b.started).Seconds(), is.labels()...)
}

func (b endedBuild) labels() []string {
	return []string{"status", b.status, "template_name", b.template, "template_version", b.version, "workspace_transition", b.transition}
}

// write writes what the provisioners have done.
func (j *jobTimes) write(e *exposition, old bool) {
	if len(j.ended) > 0 {
		const name = "coderd_workspace_builds_total"
		e.family(name, "counter", "Workspace builds that have ended.")
		for _, is := range slices.SortedFunc(maps.Keys(j.ended), func(a, b endedBuild) int {
			return strings.Compare(strings.Join(a.labels(), "\x00"), strings.Join(b.labels(), "\x00"))
		}) {
			e.sample(name, float64(j.ended[is]), is.labels()...)
		}
	}
	j.builds.write(e, "coderd_provisionerd_workspace_build_timings_seconds", "How long workspace builds took.")
	if !old {
		j.waits.write(e, "coderd_provisioner_job_queue_wait_seconds", "From the creation of a job until a provisioner took it.")
	}
}
