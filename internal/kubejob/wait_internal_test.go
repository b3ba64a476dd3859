package kubejob

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// answers play an API server in fake time, one after the other; the last one stays.
type answers []string

func (a *answers) RoundTrip(*http.Request) (*http.Response, error) {
	now := (*a)[0]
	if len(*a) > 1 {
		*a = (*a)[1:]
	}
	if now == "reset" {
		return nil, errors.New("connection reset by peer")
	}
	code := http.StatusOK
	switch now {
	case "absent":
		code, now = http.StatusNotFound, `{"kind":"Status","status":"Failure","message":"jobs.batch \"load\" not found","reason":"NotFound","code":404}`
	case "forbidden":
		code, now = http.StatusForbidden, `{"kind":"Status","status":"Failure","message":"no","reason":"Forbidden","code":403}`
	case "expired":
		code, now = http.StatusUnauthorized, `{"kind":"Status","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`
	case "busy":
		code, now = http.StatusTooManyRequests, ``
	}
	return &http.Response{StatusCode: code, Body: io.NopCloser(strings.NewReader(now))}, nil
}

// job is an answer with a status.
func job(uid, status string) string {
	return `{"kind":"Job","metadata":{"uid":"` + uid + `"},"spec":{"template":{"spec":{"terminationGracePeriodSeconds":600}}},"status":{` + status + `}}`
}

const foreground = `{"kind":"Job","metadata":{"uid":"a","deletionTimestamp":"2026-03-01T10:00:00Z","finalizers":["foregroundDeletion"]},` +
	`"spec":{"template":{"spec":{"terminationGracePeriodSeconds":600}}},"status":{"active":2,"terminating":2}}`

const (
	active   = `"active":2,"terminating":0`
	succeed  = `"succeeded":2,"terminating":0,"conditions":[{"type":"Complete","status":"True"}]`
	deadline = `"failed":1,"conditions":[{"type":"Failed","status":"True","reason":"DeadlineExceeded"}]`
	ending   = `"active":1,"terminating":1,"conditions":[{"type":"Failed","status":"True","reason":"FailedIndexes"}]`
	ended    = `"failed":2,"terminating":0,"conditions":[{"type":"Failed","status":"True","reason":"FailedIndexes"}]`
	meant    = `"active":1,"terminating":0,"conditions":[{"type":"FailureTarget","status":"True"},{"type":"Complete","status":"False"}]`
)

func client(t *testing.T, a answers) *Client {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("t"), 0o600))
	return &Client{url: "https://api", namespace: "ns", tokenFile: file, http: &http.Client{Transport: &a}}
}

func TestAJobIsOverWhenItsPodsAre(t *testing.T) {
	for name, c := range map[string]struct {
		answers answers
		end     End
		took    time.Duration
	}{
		"complete":                                 {answers{job("a", active), job("a", succeed)}, Complete, 5 * time.Second},
		"failed, and pods still ending":            {answers{job("a", ending), job("a", ending), job("a", ended)}, Failed, 10 * time.Second},
		"failed, and an old server does not say":   {answers{job("a", deadline)}, Failed, 10 * time.Minute},
		"about to fail":                            {answers{job("a", meant), job("a", ended)}, Failed, 5 * time.Second},
		"gone, so its pods have their time to end": {answers{job("a", active), "absent"}, Gone, 5*time.Second + 10*time.Minute},
		"another one of the same name":             {answers{job("a", active), job("b", active)}, Gone, 5*time.Second + 10*time.Minute},
		"gone in the foreground, after its pods":   {answers{job("a", active), foreground, "absent"}, Gone, 10 * time.Second},
		"going in the background":                  {answers{job("a", active), strings.Replace(foreground, "foregroundDeletion", "orphan", 1), "absent"}, Gone, 10*time.Second + 10*time.Minute},
		"not there yet":                            {answers{"absent", "absent", job("a", succeed)}, Complete, 10 * time.Second},
		"a server that is away for long":           {append(answers{job("a", active)}, append(times(5000, "reset"), "busy", job("a", succeed))...), Complete, 5002 * 5 * time.Second},
		"a token that is renewed in time":          {append(append(answers{job("a", active)}, times(11, "expired")...), job("a", succeed)), Complete, time.Minute},
		"refused twice for less than the time":     {append(append(append(times(11, "forbidden"), "reset"), times(11, "forbidden")...), job("a", succeed)), Complete, 23 * 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			cl := client(t, c.answers)
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got, err := cl.Wait(t.Context(), "load", WaitOptions{})
				require.NoError(t, err)
				require.Equal(t, c.end, got.End)
				require.Equal(t, "a", got.UID)
				require.Equal(t, c.took, time.Since(began))
			})
		})
	}
}

func TestWhatCannotBeWaitedForSaysWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		answers answers
		took    time.Duration
		says    string
	}{
		"a Job that never appears": {answers{"absent"}, 5 * time.Minute,
			"wait for Job ns/load: it was not there in 5m0s, so that its UID is not known: nothing was deleted, so see what is left with 'scaletest cleanup -all -dry-run', and delete it with 'scaletest cleanup -all'"},
		"a role that is missing": {answers{"reset", "forbidden"}, time.Minute + 5*time.Second,
			"wait for Job ns/load: the API server refuses: 403 no: the service account needs a Role with the verb get on jobs of batch with that name; and then: nothing was deleted, so see"},
		"a role that is taken away": {answers{job("a", active), "forbidden"}, time.Minute + 5*time.Second,
			"nothing was deleted, so do it with 'scaletest cleanup -all -run a'"},
	} {
		t.Run(name, func(t *testing.T) {
			cl := client(t, c.answers)
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, err := cl.Wait(t.Context(), "load", WaitOptions{})
				require.ErrorContains(t, err, c.says)
				require.Equal(t, c.took, time.Since(began))
			})
		})
	}
}

func TestAnAnswerThatIsNoJobIsAskedForAgain(t *testing.T) {
	for _, no := range []string{"<html>", `{"kind":"JobList"}`, `{"kind":"Job","metadata":{}}`, `{"kind":"Job","metadata":[]}`} {
		cl := client(t, answers{no, job("a", succeed)})
		synctest.Test(t, func(t *testing.T) {
			var said []string
			got, err := cl.Wait(t.Context(), "load", WaitOptions{Say: func(s string) { said = append(said, s) }})
			require.NoError(t, err)
			require.Equal(t, "a", got.UID)
			require.Contains(t, said[0], "asking for Job ns/load again: the answer is", no)
		})
	}
}

func TestAWaitThatIsStoppedNamesTheRunThatIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		answers answers
		after   time.Duration
	}{
		"between two questions":    {answers{job("a", active)}, 12 * time.Second},
		"while pods have to end":   {answers{job("a", active), "absent"}, time.Minute},
		"while an old server's do": {answers{job("a", deadline)}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			cl := client(t, c.answers)
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.after)
				defer cancel()
				_, err := cl.Wait(ctx, "load", WaitOptions{})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err, "'scaletest cleanup -all -run a'")
			})
		})
	}
}

func times(n int, what string) answers {
	var a answers
	for range n {
		a = append(a, what)
	}
	return a
}
