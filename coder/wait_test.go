package coder_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
)

func build(status, more string) func() (*http.Response, error) {
	return says(200, `{"transition":"start","workspace_owner_name":"alice","workspace_name":"w","status":"`+status+`","job":{"status":"`+status+`"`+more+`},"matched_provisioners":{"count":0}}`)
}

func TestWaitingForABuildEndsWithIt(t *testing.T) {
	pending, running := build("pending", ""), build("running", "")
	for name, tc := range map[string]struct {
		last     func() (*http.Response, error)
		err      string
		canceled bool
	}{
		"succeeded":             {build("succeeded", ""), "", false},
		"failed":                {build("failed", `,"error":"terraform apply:\nexit status 1"`), "start workspace alice/w: the job failed: terraform apply: exit status 1", false},
		"canceled":              {build("canceled", ""), "start workspace alice/w: the job was canceled", true},
		"canceled while it ran": {build("failed", `,"canceled_at":"2026-01-01T00:00:00Z","error":"exit status 1"`), "start workspace alice/w: the job was canceled: exit status 1", true},
		"unknown but complete":  {build("petrified", `,"completed_at":"2026-01-01T00:00:00Z"`), "start workspace alice/w: the job ended as petrified", false},
		"gone":                  {says(404, `{"message":"Resource not found."}`), "read build 00000000-0000-0000-0000-000000000000: Resource not found (404 from GET /base/api/v2/workspacebuilds/00000000-0000-0000-0000-000000000000)", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, f := fakeClient(t, coder.Config{}, answers(pending, running, running, tc.last))
				_, err := c.WaitBuild(t.Context(), uuid.Nil)
				assert.Equal(t, 4, f.count())
				if tc.err == "" {
					require.NoError(t, err)
					return
				}
				require.EqualError(t, err, tc.err)
				var job *coder.JobError
				if name != "gone" {
					require.ErrorAs(t, err, &job)
					assert.Equal(t, tc.canceled, job.Canceled())
				}
			})
		})
	}
}

func TestWaitingThatTakesTooLongSaysWhatItWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c, f := fakeClient(t, coder.Config{PollInterval: 5 * time.Second}, answers(build("pending", "")))
		_, err := c.WaitBuild(ctx, uuid.Nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "still pending")
		require.ErrorContains(t, err, "no provisioner daemon has its tags")
		assert.Less(t, f.count(), 25, "looking must not be a load of its own")

		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c, _ = fakeClient(t, coder.Config{}, answers(says(200, `{"latest_build":{"transition":"start","job":{"status":"succeeded"},"resources":[{"agents":[{"name":"main","status":"connecting","lifecycle_state":"created"}]}]}}`)))
		_, err = c.WaitAgents(ctx, uuid.Nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "agent main is connecting and created")
	})
}

func TestAgentsAreWaitedForUntilTheirScriptsHaveEnded(t *testing.T) {
	agent := func(status, lifecycle string) func() (*http.Response, error) {
		return says(200, `{"latest_build":{"transition":"start","job":{"status":"succeeded"},"resources":[{},{"agents":[{"status":"`+status+`","lifecycle_state":"`+lifecycle+`"}]}]}}`)
	}
	synctest.Test(t, func(t *testing.T) {
		c, f := fakeClient(t, coder.Config{}, answers(
			says(200, `{"latest_build":{"transition":"start","job":{"status":"running"}}}`),
			agent("connecting", "created"), agent("connected", "starting"), agent("connected", "start_error")))
		w, err := c.WaitAgents(t.Context(), uuid.Nil)
		require.NoError(t, err)
		assert.Equal(t, 4, f.count())
		assert.True(t, w.Agents()[0].Ready())
		c, _ = fakeClient(t, coder.Config{}, answers(says(200, `{"name":"w","owner_name":"a","latest_build":{"transition":"stop","status":"stopped","job":{"status":"succeeded"}}}`)))
		_, err = c.WaitAgents(t.Context(), uuid.Nil)
		require.EqualError(t, err, "wait for the agents of a/w: the workspace is stopped")
		c, _ = fakeClient(t, coder.Config{}, answers(says(200, `{"name":"w","owner_name":"a","latest_build":{"transition":"start","job":{"status":"failed","error":"quota"}}}`)))
		_, err = c.WaitAgents(t.Context(), uuid.Nil)
		require.EqualError(t, err, "start workspace a/w: the job failed: quota")
	})
}

func TestJobTimesComeFromTheServer(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	j := coder.Job{CreatedAt: at, StartedAt: at.Add(time.Second), CompletedAt: at.Add(3 * time.Second)}
	assert.Equal(t, time.Second, j.QueueTime())
	assert.Equal(t, 2*time.Second, j.RunTime())
	assert.Zero(t, coder.Job{CreatedAt: at}.QueueTime())
	assert.Zero(t, coder.Job{CreatedAt: at, CompletedAt: at}.RunTime())
}
