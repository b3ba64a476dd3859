package campaign

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// Means are what a campaign acts with.
type Means struct {
	// Clean deletes what the ledgers of a folder say. It is required. Nil as an error
	// means that nothing is left.
	Clean func(ctx context.Context, job CleanJob) error

	// Check looks at the deployment before anything is done to it. Nil does not.
	Check func(ctx context.Context) error

	// Child runs a step. Nil starts [Config].Binary.
	Child func(ctx context.Context, job Job) error

	// GrafanaToken is for [Config].Grafana. WebhookURL is for messages instead of
	// [Config].Webhook, where it holds a secret.
	GrafanaToken, WebhookURL string

	// Transport takes requests to Grafana and the webhook. Nil is the usual one.
	Transport http.RoundTripper

	// Out gets lines for people. Nil drops them.
	Out io.Writer
}

// CleanJob is one folder to clean up.
type CleanJob struct {
	Ledgers     string // the folder
	Concurrency int    // at a time
	DryRun      bool   // only say what would be done
	Out         io.Writer
}

// Outcome is what came of a campaign.
type Outcome struct {
	Verdict harness.Verdict
	Reasons []string // none for a pass
}

// Campaign is one that goes on, or has ended. It is also its page: see
// [Campaign.ServeHTTP].
type Campaign struct {
	cfg    Config
	means  Means
	folder *folder
	tell   *teller
	page   http.Handler

	kill   context.CancelFunc // ends what has not ended after a stop
	killed context.Context

	tail tail // the last lines of children

	mu   sync.Mutex
	rec  Record
	live string // the address of the running child's page; "" is none
}

// Open takes the folder of results, and archives what is in it. The error says who
// has it, if a campaign goes on there already.
func Open(cfg Config, means Means) (*Campaign, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if means.Clean == nil {
		return nil, errors.New("there is nothing to clean up with: set Means.Clean")
	}
	dir, err := hold(cfg.Results)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	c := &Campaign{cfg: cfg, means: means, folder: dir, rec: Record{
		SchemaVersion: 1, ID: harness.NewRunID(), Name: cfg.Name, Comment: cfg.Comment, URL: cfg.URL,
		DryRun: cfg.DryRun, Began: now, Reasons: []string{}, Phases: []Phase{},
	}}
	if c.means.Child == nil {
		c.means.Child = c.startChild
	}
	if c.means.Out == nil {
		c.means.Out = io.Discard
	}
	c.means.Out = &oneAtATime{w: c.means.Out}
	if _, err = dir.interrupted(now); err != nil {
		c.say("%s", oneLine(err)) // the archive keeps it as it is
	}
	if err = dir.archive(now); err == nil {
		err = c.rec.write(dir.path)
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	c.page = c.newPage()
	c.killed, c.kill = context.WithCancel(context.Background())
	c.tell = newTeller(cfg, means, c.rec.ID)
	return c, nil
}

// Close gives the folder back, when the campaign has ended.
func (c *Campaign) Close() error {
	c.kill()
	c.tell.close()
	return c.folder.Close()
}

// Kill ends at once what a canceled Run would wait for: the child and the cleanup.
func (c *Campaign) Kill() { c.kill() }

// Record is what has been done until now.
func (c *Campaign) Record() Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rec.clone()
}

// Run does all of it, and can be called once. When ctx is canceled, the load is ended
// gracefully, reports are written, and it is cleaned up if the strategy says so;
// [Campaign.Kill] skips that.
func (c *Campaign) Run(ctx context.Context) Outcome {
	r := &running{Campaign: c, stopped: ctx, verdict: harness.Pass}
	c.say("campaign %s%s", c.rec.ID, map[bool]string{true: ", a dry run: nothing is touched"}[c.cfg.DryRun])
	r.load()
	if c.wrote() {
		r.phase("report", "", "", r.report)
	}
	if ctx.Err() != nil {
		r.because(harness.Interrupted, "it was stopped before its end")
	}
	if !c.cfg.DryRun && c.cfg.strategy().deletes(r.verdict) {
		r.phase("cleanup", "what was created, by "+string(c.cfg.strategy()), "", func() (State, string) { return r.clean(c.folder.path) })
	}
	c.mu.Lock()
	c.rec.Verdict, c.rec.Ended = r.verdict, time.Now()
	rec := c.rec.clone()
	c.mu.Unlock()
	r.write(rec)
	c.say("campaign %s: %s%s", rec.ID, strings.ToUpper(string(rec.Verdict)), first(": ", rec.Reasons))
	c.tell.end(rec)
	return Outcome{rec.Verdict, rec.Reasons}
}

// oneAtATime lets several write whole lines.
type oneAtATime struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *oneAtATime) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(b)
}

// first is the first text behind a prefix, or nothing.
func first(prefix string, texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return prefix + texts[0]
}

func (c *Campaign) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.means.Out, format+"\n", args...) // who does not listen is loaded all the same
}

// running is what Run needs while it does.
type running struct {
	*Campaign
	stopped context.Context
	verdict harness.Verdict
}

// load is everything up to the reports.
func (r *running) load() {
	cfg := r.cfg
	if !r.phase("prepare", "the deployment and the program are looked at", "", r.prepare) {
		return
	}
	if cfg.Cleanup.Before && !r.phase("cleanup-before", "what earlier campaigns have left", "", func() (State, string) {
		return r.clean(archived(r.folder.path)...)
	}) {
		return
	}
	if !cfg.SkipCreate {
		if !r.step(cfg.createStep(), true) || cfg.Greedy != "" && !r.step(cfg.greedyCreateStep(), true) {
			return
		}
	}
	for _, s := range cfg.loadSteps() {
		if d := time.Duration(cfg.Baseline); d > 0 && !cfg.DryRun && !r.phase("baseline", "quiet for "+brief(d), "", func() (State, string) { return r.quiet(d) }) {
			return
		}
		if cfg.Greedy == "" {
			if !r.step(s, false) {
				return
			}
			continue
		}
		var wg sync.WaitGroup
		var flooded, loaded bool
		wg.Go(func() { flooded = r.step(cfg.greedyStep(s), false) })
		loaded = r.step(s, false)
		wg.Wait()
		if !loaded || !flooded {
			return
		}
	}
}

// because makes the whole's verdict at least as grave.
func (r *running) because(v harness.Verdict, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verdict = graver(r.verdict, v)
	r.rec.Reasons = append(r.rec.Reasons, reason)
}

// phase does a part, and tells of it. It reports whether the next may follow.
func (r *running) phase(name, title, folder string, do func() (State, string)) bool {
	p := Phase{Name: name, Title: title, Folder: folder, Began: time.Now(), State: Running}
	r.mu.Lock()
	at := len(r.rec.Phases)
	r.rec.Phases = append(r.rec.Phases, p)
	r.write(r.rec)
	r.mu.Unlock()
	r.say("%-14s %s", name, or(title, "begins"))
	r.tell.begin(at, p)

	p.State, p.Detail = do()
	p.Ended = time.Now()
	r.mu.Lock()
	r.rec.Phases[at] = p
	r.write(r.rec)
	r.mu.Unlock()
	r.say("%-14s %s after %s%s", name, p.State, p.Lasted(p.Ended).Round(time.Millisecond), first(": ", nonEmpty(p.Detail)))
	r.tell.over(at, p)
	if p.State != Done {
		v := harness.Verdict(p.State)
		if p.counts() && v != harness.Pass {
			r.because(v, name+": "+or(p.Detail, string(v)))
		}
		if v == harness.Error {
			return false
		}
	}
	return r.stopped.Err() == nil
}

func nonEmpty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// counts reports whether the verdict of a phase is one about the whole. What a flood
// does to the one who is flooded is not: whether it could be done is.
func (p Phase) counts() bool {
	return !strings.HasSuffix(p.Name, "-greedy") || p.Name == "create-greedy" || p.State == State(harness.Error)
}

// write has no other place to complain than the page and the output: the load goes on.
func (r *running) write(rec Record) {
	if err := rec.write(r.folder.path); err != nil {
		r.say("%s", oneLine(err))
		r.tell.complain(oneLine(err))
	}
}

func (r *running) prepare() (State, string) {
	info, err := os.Stat(r.cfg.Binary)
	switch {
	case err != nil:
		return broken(fmt.Errorf("find the compiled tests: %w: want binary to be what 'go test -c -tags scaletest' makes", err))
	case info.IsDir() || info.Mode()&0o111 == 0:
		return broken(fmt.Errorf("%s is no program that can be run: want binary to be what 'go test -c -tags scaletest' makes", r.cfg.Binary))
	}
	if r.means.Check != nil {
		ctx, cancel := context.WithTimeout(r.stopped, time.Minute)
		defer cancel()
		if err := r.means.Check(ctx); err != nil {
			return broken(err)
		}
	}
	return Done, ""
}

func broken(err error) (State, string) { return State(harness.Error), oneLine(err) }

// quiet does nothing for a while.
func (r *running) quiet(d time.Duration) (State, string) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return Done, ""
	case <-r.stopped.Done():
		return Done, "cut short"
	}
}

// clean deletes what the ledgers of campaigns say is left. A stop does not end it, but
// a kill.
func (r *running) clean(dirs ...string) (State, string) {
	return cleanAll(r.killed, r.cfg, r.means, dirs)
}

// cleanAll cleans up the folders of campaigns.
func cleanAll(ctx context.Context, cfg Config, means Means, dirs []string) (State, string) {
	var errs []error
	n := 0
	for _, dir := range dirs {
		folders, err := leftIn(dir)
		if err != nil {
			errs = append(errs, err)
		}
		for _, f := range folders {
			if ctx.Err() != nil {
				errs = append(errs, errors.New("the cleanup was cut short: repeat it with 'scaletest cleanup -ledger "+f+"'"))
				break
			}
			n++
			err := means.Clean(ctx, CleanJob{Ledgers: f, Concurrency: max(cfg.Cleanup.Concurrency, 1), DryRun: cfg.DryRun, Out: means.Out})
			if err != nil {
				errs = append(errs, fmt.Errorf("%w: repeat it with 'scaletest cleanup -ledger %s'", err, f))
			}
		}
	}
	switch err := errors.Join(errs...); {
	case err != nil:
		return broken(err)
	case n == 0:
		return Done, "nothing is left"
	}
	return Done, ""
}
