package codertest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The stages of a build. What Terraform says in each is not what matters, but
// that there are lines, in order, with levels.
var buildStages = []struct{ source, level, stage, output string }{
	{"provisioner_daemon", "info", "Setting up", ""},
	{"provisioner", "warn", "Initializing Terraform Directory", "terraform environment variable: TF_CLI_CONFIG_FILE=/opt/coder/terraform.rc"},
	{"provisioner", "info", "Initializing Terraform Directory", "Terraform 1.11.4"},
	{"provisioner", "info", "Initializing Terraform Directory", "Initializing the backend..."},
	{"provisioner", "info", "Initializing Terraform Directory", "Terraform has been successfully initialized!"},
	{"provisioner", "info", "Planning Infrastructure", "Terraform will perform the following actions"},
	{"provisioner", "info", "Applying Infrastructure", "Apply complete!"},
	{"provisioner", "warn", "Graphing Infrastructure", "terraform environment variable: TF_CLI_CONFIG_FILE=/opt/coder/terraform.rc"},
	{"provisioner_daemon", "info", "Cleaning Up", ""},
}

// oldStages are the names that older versions have for some stages.
var oldStages = map[string]string{
	"Initializing Terraform Directory": "Planning infrastructure",
	"Planning Infrastructure":          "Planning infrastructure",
	"Applying Infrastructure":          "Starting workspace",
	"Graphing Infrastructure":          "Starting workspace",
}

// startLogs writes what is said until the end of a build, and endLogs the rest.
func (st *state) startLogs(to *[]logJSON) { st.addLogs(to, 0, len(buildStages)-2) }
func (st *state) endLogs(to *[]logJSON)   { st.addLogs(to, len(buildStages)-2, len(buildStages)) }

func (st *state) addLogs(lines *[]logJSON, from, to int) {
	t := now().Truncate(time.Millisecond)
	for _, l := range buildStages[from:to] {
		st.logID++
		line := logJSON{st.logID, t, l.source, l.level, l.stage, l.output}
		if old := oldStages[l.stage]; old != "" && st.oldLogs {
			line.Stage = old
			if line.LogLevel == "info" {
				line.LogLevel = "debug"
			}
		}
		*lines = append(*lines, line)
	}
}

// readAfter reads after, the ID of the last line that is known.
func readAfter(c *call) (int64, *apiError) {
	v := c.r.URL.Query().Get("after")
	if v == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		e := invalid(`Query param "after" must be an integer.`, "after", "Must be an integer")
		return 0, &e
	}
	return n, nil
}

func buildLogs(c *call) (int, any) {
	after, e := readAfter(c)
	var b *build
	status, body := withBuild(func(_ *call, found *build) (int, any) {
		b = found
		return http.StatusOK, nil
	})(c)
	switch {
	case b == nil:
		return status, body
	case e != nil:
		return http.StatusBadRequest, e
	}
	return c.jobLogs(after, jobLog{&b.changed, &b.logs, &b.status})
}

// jobLog is where the log of a job is. The lines and the status are guarded by
// the state's lock.
type jobLog struct {
	changed *signal
	lines   *[]logJSON
	status  *string
}

// jobLogs answers with the log of a job, or follows it.
func (c *call) jobLogs(after int64, job jobLog) (int, any) {
	if !c.r.URL.Query().Has("follow") {
		lines, _, _ := c.logsAfter(job, after)
		if c.r.URL.Query().Get("format") == "text" && !c.s.as.noTextLogs {
			var text strings.Builder
			for _, l := range lines {
				fmt.Fprintf(&text, "%s [%s] [%s|%s] %s\n", l.CreatedAt.Format(time.RFC3339), l.LogLevel, l.LogSource, l.Stage, l.Output)
			}
			return http.StatusOK, page{"text/plain; charset=utf-8", text.String()}
		}
		return http.StatusOK, lines
	}
	st := c.stream()
	if st == nil {
		return handled, nil
	}
	for {
		lines, done, changed := c.logsAfter(job, after)
		for _, l := range lines {
			st.sendFragmented(l)
			after = l.ID
		}
		if done {
			st.close(1000, "done")
			return handled, nil
		}
		select {
		case <-changed:
		case <-st.ctx.Done():
			return handled, nil
		}
	}
}

// logsAfter returns what is new, whether there will be more, and a channel that
// is closed then.
func (c *call) logsAfter(job jobLog, after int64) ([]logJSON, bool, <-chan struct{}) {
	changed := job.changed.wait()
	c.s.state.mu.RLock()
	defer c.s.state.mu.RUnlock()
	out := []logJSON{}
	for _, l := range *job.lines {
		if l.ID > after {
			out = append(out, l)
		}
	}
	return out, jobDone(*job.status), changed
}

func agentLogs(c *call) (int, any) {
	after, e := readAfter(c)
	if e != nil {
		return http.StatusBadRequest, e
	}
	var lines []agentLogJSON
	var found *agent
	status, body := withAgent(func(_ *call, a *agent) (int, any) {
		found = a
		lines = a.logLines(after)
		return http.StatusOK, nil
	})(c)
	if found == nil {
		return status, body
	}
	query := c.r.URL.Query()
	if !query.Has("follow") {
		if query.Get("format") == "text" && !c.s.as.noTextLogs {
			var text strings.Builder
			for _, l := range lines {
				fmt.Fprintf(&text, "%s [%s] [agent.main|Startup Script] %s\n", l.CreatedAt.Format(time.RFC3339), l.Level, l.Output)
			}
			return http.StatusOK, page{"text/plain; charset=utf-8", text.String()}
		}
		return http.StatusOK, lines
	}
	st, w := c.stream(), found.build.workspace
	if st == nil {
		return handled, nil
	}
	for first := true; ; first = false {
		changed := w.changed.wait()
		c.s.state.mu.RLock()
		gone := w.latest() != found.build || found.off
		if !gone {
			lines = found.logLines(after)
		}
		var logged <-chan struct{}
		if found.live != nil {
			logged = found.live.logged.wait()
		}
		c.s.state.mu.RUnlock()
		if n := len(lines); n > 0 || first {
			st.sendFragmented(lines)
			if n > 0 {
				after = lines[n-1].ID
			}
			lines = nil
		}
		if gone {
			st.close(1000, "")
			return handled, nil
		}
		select {
		case <-changed:
		case <-logged:
		case <-st.ctx.Done():
			return handled, nil
		}
	}
}

func (a *agent) logLines(after int64) []agentLogJSON {
	out := []agentLogJSON{}
	if a.live != nil {
		for _, l := range a.live.logs {
			if l.ID > after {
				out = append(out, l)
			}
		}
		return out
	}
	if a.ready == nil {
		return out
	}
	for i, line := range strings.Split(strings.TrimSpace(startupLog), "\n") {
		if id := int64(i + 1); id > after {
			out = append(out, agentLogJSON{id, *a.ready, line, "info", a.sourceID})
		}
	}
	return out
}
