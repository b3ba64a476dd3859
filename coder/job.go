package coder

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Statuses of a provisioner job. Servers may add others.
const (
	JobPending   = "pending"
	JobRunning   = "running"
	JobSucceeded = "succeeded"
	JobCanceling = "canceling"
	JobCanceled  = "canceled"
	JobFailed    = "failed"
)

// Job is the work of a provisioner for a build or an import.
type Job struct {
	ID             uuid.UUID         `json:"id"`
	Status         string            `json:"status"`
	Error          string            `json:"error"`
	ErrorCode      string            `json:"error_code"` // for example INSUFFICIENT_QUOTA
	CreatedAt      time.Time         `json:"created_at"`
	StartedAt      time.Time         `json:"started_at"` // zero while pending
	CompletedAt    time.Time         `json:"completed_at"`
	CanceledAt     time.Time         `json:"canceled_at"` // when it was asked to stop
	WorkerID       uuid.UUID         `json:"worker_id"`
	WorkerName     string            `json:"worker_name"`
	FileID         uuid.UUID         `json:"file_id"`
	Tags           map[string]string `json:"tags"`
	QueuePosition  int               `json:"queue_position"`
	QueueSize      int               `json:"queue_size"`
	LogsOverflowed bool              `json:"logs_overflowed"`
}

// Done reports whether the job has ended, well or not. A status that this
// client does not know counts as ended only with a time of completion.
func (j Job) Done() bool {
	switch j.Status {
	case JobSucceeded, JobCanceled, JobFailed:
		return true
	case JobPending, JobRunning, JobCanceling:
		return false
	}
	return !j.CompletedAt.IsZero()
}

// QueueTime is how long the job waited for a provisioner. 0 while it does.
func (j Job) QueueTime() time.Duration {
	if j.StartedAt.IsZero() {
		return 0
	}
	return max(j.StartedAt.Sub(j.CreatedAt), 0)
}

// RunTime is how long the provisioner worked. 0 until it has ended, and when
// it never began.
func (j Job) RunTime() time.Duration {
	if j.StartedAt.IsZero() || j.CompletedAt.IsZero() {
		return 0
	}
	return max(j.CompletedAt.Sub(j.StartedAt), 0)
}

// JobError is a build or an import that ended without success.
type JobError struct {
	// Action is what was waited for.
	Action string
	// Job is the job as it ended. Its Error says why.
	Job Job
}

// Error says what failed and why.
func (e *JobError) Error() string {
	how := "ended as " + printable(e.Job.Status, 40)
	switch {
	case e.Canceled(): // one that is stopped while it runs can end as failed
		how = "was canceled"
	case e.Job.Status == JobFailed:
		how = "failed"
	}
	if e.Job.Error == "" {
		return fmt.Sprintf("%s: the job %s", e.Action, how)
	}
	return fmt.Sprintf("%s: the job %s: %s", e.Action, how, printable(sentence(e.Job.Error), maxSentence))
}

// Canceled reports whether somebody canceled it. A build canceled while it
// ran can have the status failed, and one canceled while it was pending can
// on older servers still be executed: delete the workspace in any case.
func (e *JobError) Canceled() bool {
	return e.Job.Status == JobCanceled || !e.Job.CanceledAt.IsZero()
}

// MatchedProvisioners says whether anybody can run a job.
type MatchedProvisioners struct {
	Count            int       `json:"count"` // 0 means that the job stays pending
	Available        int       `json:"available"`
	MostRecentlySeen time.Time `json:"most_recently_seen"`
}
