package cleanup_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
)

// stubborn is a deployment with one workspace, for what the embedded one does
// not do. Its time is that of a synctest bubble.
type stubborn struct {
	version     string
	failures    int                  // deletions that fail before one succeeds
	buildTime   time.Duration        // from the beginning of a build to its end
	queueTime   time.Duration        // from a request to the beginning of a build
	mayCancel   func() (int, string) // nil allows it
	onDelete    func() (int, string) // before a deletion begins; 0 goes on
	onRead      func() (int, string) // before the workspace is read; 0 goes on
	prebuild    bool
	orphanFails bool

	mu     sync.Mutex
	id     uuid.UUID
	builds []*fakeBuild
	asked  []string // what was asked, in order
}

type fakeBuild struct {
	id         uuid.UUID
	transition string
	orphan     bool
	created    time.Time
	begins     time.Time
	ends       time.Time
	fails      bool
	canceled   time.Time
	whilePend  bool // canceled before it began
}

func (f *stubborn) client(t *testing.T) *coder.Client {
	t.Helper()
	f.id = uuid.New()
	if f.version == "" {
		f.version = "v2.37.0"
	}
	c, err := coder.New(coder.Config{URL: "http://coder.test", Token: "t", HTTPClient: &http.Client{Transport: f}, MaxRetries: -1})
	require.NoError(t, err)
	return c
}

// begin starts a build as somebody else would.
func (f *stubborn) begin(transition string) *fakeBuild {
	now := time.Now()
	b := &fakeBuild{id: uuid.New(), transition: transition, created: now, begins: now.Add(f.queueTime), ends: now.Add(f.queueTime + f.buildTime)}
	f.builds = append(f.builds, b)
	return b
}

func (f *stubborn) executes() bool { return f.version == "v2.26.0" }

func (b *fakeBuild) status(f *stubborn) string {
	now := time.Now()
	switch {
	case b.whilePend:
		return coder.JobCanceled
	case now.Before(b.begins):
		return coder.JobPending
	case now.Before(b.ends) && !b.canceled.IsZero():
		return coder.JobCanceling
	case now.Before(b.ends):
		return coder.JobRunning
	case b.fails || !b.canceled.IsZero():
		return coder.JobFailed
	}
	return coder.JobSucceeded
}

func (b *fakeBuild) view(f *stubborn) coder.Build {
	now, status := time.Now(), b.status(f)
	job := coder.Job{Status: status, CreatedAt: b.created, CanceledAt: b.canceled}
	if !now.Before(b.begins) && (!b.whilePend || f.executes()) {
		job.StartedAt = b.begins
	}
	switch {
	case b.whilePend && f.executes() && !now.Before(b.ends):
		job.CompletedAt = b.ends
	case b.whilePend:
		job.CompletedAt = b.canceled
	case !now.Before(b.ends):
		job.CompletedAt = b.ends
	}
	return coder.Build{ID: b.id, Transition: b.transition, Status: status, Job: job, WorkspaceOwnerName: "alice", WorkspaceName: "w"}
}

func (f *stubborn) deleted() bool {
	last := f.builds[len(f.builds)-1]
	return last.transition == coder.TransitionDelete && last.status(f) == coder.JobSucceeded
}

func (f *stubborn) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	status, body := f.answer(r)
	text, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	h := http.Header{"X-Coder-Build-Version": {f.version}, "Content-Type": {"application/json"}}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func message(format string, args ...any) string {
	b, _ := json.Marshal(map[string]string{"message": fmt.Sprintf(format, args...)})
	return string(b)
}

func (f *stubborn) answer(r *http.Request) (int, any) {
	path := strings.TrimPrefix(r.URL.Path, "/api/v2")
	switch {
	case path == "/buildinfo":
		return 200, coder.BuildInfo{Version: f.version}
	case path == "/workspaces/"+f.id.String():
		if f.onRead != nil {
			if status, text := f.onRead(); status != 0 {
				return status, message("%s", text)
			}
		}
		if f.deleted() {
			return 410, message("Workspace was deleted")
		}
		return 200, coder.Workspace{ID: f.id, Name: "w", OwnerName: "alice", IsPrebuild: f.prebuild, LatestBuild: f.builds[len(f.builds)-1].view(f)}
	case path == "/workspaces/"+f.id.String()+"/builds":
		var in coder.CreateBuildRequest
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			return 400, message("%v", err)
		}
		return f.create(in)
	}
	for _, b := range f.builds {
		switch path {
		case "/workspacebuilds/" + b.id.String():
			return 200, b.view(f)
		case "/workspacebuilds/" + b.id.String() + "/cancel":
			return f.cancel(b, r.URL.Query().Get("expect_status"))
		}
	}
	return 404, message("Resource not found.")
}

func (f *stubborn) create(in coder.CreateBuildRequest) (int, any) {
	if f.onDelete != nil {
		if status, text := f.onDelete(); status != 0 {
			return status, message("%s", text)
		}
	}
	what := in.Transition
	if in.Orphan {
		what = "orphan"
	}
	f.asked = append(f.asked, what)
	if last := f.builds[len(f.builds)-1].status(f); last == coder.JobPending || last == coder.JobRunning || last == coder.JobCanceling {
		return 409, message("A workspace build is already active.")
	}
	b := f.begin(in.Transition)
	b.orphan = in.Orphan
	if in.Orphan {
		b.fails, b.ends = f.orphanFails, b.begins
	} else if b.fails = f.failures > 0; b.fails {
		f.failures--
	}
	return 201, b.view(f)
}

func (f *stubborn) cancel(b *fakeBuild, expect string) (int, any) {
	f.asked = append(f.asked, "cancel "+b.transition)
	if f.mayCancel != nil {
		if status, text := f.mayCancel(); status != 0 {
			return status, message("%s", text)
		}
	}
	status := b.status(f)
	switch {
	case !b.canceled.IsZero() || status == coder.JobSucceeded || status == coder.JobFailed:
		return 400, message("Job has already completed!")
	case expect != "" && expect != status:
		return 412, message("Job is not in the expected state.")
	}
	b.canceled = time.Now()
	if status == coder.JobPending {
		b.whilePend = true
	} else {
		b.ends = time.Now().Add(f.buildTime / 4)
	}
	return 200, message("Job has been marked as canceled...")
}
