package campaign

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/coderscale/scaletest/harness"
)

// Job is one child.
type Job struct {
	// Name is that of the step, and Test the test that it runs.
	Name, Test string

	// Dir is the step's folder, where the child's results and ledger go.
	Dir string

	// Set are variables on top of the environment. An empty value takes one away.
	Set map[string]string

	// Stop ends the child gracefully when it is done; the context kills it.
	Stop context.Context

	// Out gets what the child prints.
	Out io.Writer
}

// secrets are variables that no child needs.
var secrets = []string{EnvGrafanaToken, EnvWebhookURL}

// The variables of the secrets that are not the deployment's.
const (
	EnvGrafanaToken = "SCALETEST_GRAFANA_TOKEN"
	EnvWebhookURL   = "SCALETEST_WEBHOOK_URL"
)

// environ is the environment of a child.
func environ(base []string, set map[string]string) []string {
	var env []string
	for _, kv := range base {
		name, _, _ := strings.Cut(kv, "=")
		if _, is := set[name]; !is && !slices.Contains(secrets, name) {
			env = append(env, kv)
		}
	}
	for name, value := range set {
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	slices.Sort(env)
	return env
}

// startChild runs the compiled tests. A child that was told to stop has stopWait to
// end.
func (c *Campaign) startChild(ctx context.Context, job Job) error {
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	binary, err := filepath.Abs(c.cfg.Binary) // the child is elsewhere
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, binary, "-test.run=^"+job.Test+"$", "-test.timeout=0", "-test.v")
	cmd.Dir, cmd.Stdout, cmd.Stderr = job.Dir, job.Out, job.Out
	cmd.Env = environ(os.Environ(), job.Set)
	cmd.WaitDelay = 5 * time.Second // for what a grandchild keeps open
	apart(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", binary, err)
	}
	ended := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-ended:
			return
		case <-job.Stop.Done():
		}
		if cmd.Process.Signal(syscall.SIGTERM) != nil { // there are systems without
			kill()
		}
		patience := time.NewTimer(c.cfg.stopWait())
		defer patience.Stop()
		select {
		case <-ended:
		case <-patience.C:
			kill()
		}
	})
	err = cmd.Wait()
	close(ended)
	watching.Wait()
	return err
}

// step runs a child as a phase. What creates things must create all of them, or nothing
// else makes sense.
func (r *running) step(s step, creates bool) bool {
	return r.phase(s.name, s.title, s.name, func() (State, string) {
		state, detail := r.child(s)
		if creates && state != State(harness.Pass) && state != Done && state != State(harness.Interrupted) {
			if detail == "" {
				detail = "not everything could be created"
			}
			state = State(harness.Error)
		}
		return state, detail
	})
}

// child runs a child and finds out what came of it.
func (r *running) child(s step) (State, string) {
	dir := filepath.Join(r.folder.path, s.name)
	abs, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return broken(fmt.Errorf("make the folder of a step: %w", err))
	}
	set := r.cfg.environment(s)
	set[p+"ARTIFACTS"] = abs
	if s.file != nil {
		path := filepath.Join(abs, "scenario.yaml")
		text, err := yaml.Marshal(s.file)
		if err == nil {
			err = os.WriteFile(path, text, 0o600)
		}
		if err != nil {
			return broken(fmt.Errorf("write the scenario file of a step: %w", err))
		}
		set[p+"SCENARIO"] = path
	}
	log, err := os.OpenFile(filepath.Join(dir, "output.txt"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return broken(fmt.Errorf("write the output of a step: %w", err))
	}
	out := &lineWriter{file: log, line: func(line string) { r.heard(s, line) }}
	err = r.means.Child(r.killed, Job{Name: s.name, Test: s.test, Dir: abs, Set: set, Stop: r.stopped, Out: out})
	lines := out.end()
	if s.watch {
		r.mu.Lock()
		r.live = ""
		r.mu.Unlock()
	}
	return r.judge(filepath.Join(dir, s.test, "result.json"), err, lines)
}

// judge makes a state of what a child has left behind.
func (r *running) judge(path string, exit error, lines []string) (State, string) {
	res, err := harness.ReadResult(path)
	switch {
	case err == nil && exit != nil && res.Verdict == harness.Pass:
		// Something else than the load failed, such as its cleanup.
		return State(harness.Error), why(exit, lines)
	case err == nil && res.Verdict == harness.Interrupted && r.stopped.Err() != nil:
		return State(harness.Interrupted), ""
	case err == nil:
		return State(res.Verdict), first("", res.Reasons)
	case r.stopped.Err() != nil:
		return State(harness.Interrupted), "it was stopped before it had a result"
	case exit == nil && r.cfg.DryRun:
		return Done, ""
	case exit == nil:
		return State(harness.Error), "it ended without a result: its output says why"
	}
	return State(harness.Error), why(exit, lines)
}

// complaint is where a test says what is wrong.
var complaint = regexp.MustCompile(`^ +[a-z_]+_test\.go:\d+: (.+)$|^ +[a-z]+\.go:\d+: (.+)$`)

// why is what a child said that failed.
func why(exit error, lines []string) string {
	for _, line := range slices.Backward(lines) {
		if m := complaint.FindStringSubmatch(line); m != nil {
			return m[1] + m[2]
		}
	}
	return "the compiled tests failed, " + oneLine(exit) + ": their output says why"
}

// liveLine is how a child says where its page is, in what may be the output of a test.
var liveLine = regexp.MustCompile(`^ *live +(http://\S+)$`)

// heard takes a line of a child.
func (r *running) heard(s step, line string) {
	r.tail.add(line)
	if m := liveLine.FindStringSubmatch(line); m != nil && s.watch {
		r.mu.Lock()
		r.live = m[1]
		r.mu.Unlock()
	}
	if r.cfg.Verbose || r.cfg.DryRun { // whoever reads that the page is there finds it
		r.say("  %s", line)
	}
}

// lineWriter writes to a file, and hands out lines. Like the tail, it keeps the last.
type lineWriter struct {
	file io.WriteCloser
	line func(string)

	mu   sync.Mutex
	rest []byte
	tail tail
}

// longestLine is how much of a line is handed out.
const longestLine = 4096

func (w *lineWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.file.Write(b) // a full disk must not end the load
	w.rest = append(w.rest, b...)
	for {
		line, rest, whole := bytes.Cut(w.rest, []byte("\n"))
		switch {
		case len(line) > longestLine:
			line, rest = w.rest[:longestLine], w.rest[longestLine:]
		case !whole:
			return len(b), nil
		}
		w.take(string(line))
		w.rest = rest
	}
}

func (w *lineWriter) take(line string) {
	line = strings.TrimRight(line, "\r")
	w.tail.add(line)
	w.line(line)
}

// end hands out what has no end, and returns the last lines.
func (w *lineWriter) end() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.rest) > 0 {
		w.take(string(w.rest))
		w.rest = nil
	}
	_ = w.file.Close() // nor here
	return w.tail.last()
}

// tail keeps the last lines. The zero value has none.
type tail struct {
	mu    sync.Mutex
	lines []string
}

const tailLines = 200

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) >= 2*tailLines {
		t.lines = append([]string{}, t.lines[len(t.lines)-tailLines:]...)
	}
	t.lines = append(t.lines, line)
}

func (t *tail) last() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.lines[max(0, len(t.lines)-tailLines):])
}
