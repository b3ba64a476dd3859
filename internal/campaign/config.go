package campaign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/coderscale/scaletest/scenario"
)

// Config says what a campaign does. Durations are text, such as "30m". There is no
// secret in it: the token of the deployment is CODER_SESSION_TOKEN, and those of
// Grafana and the webhook are [Means].
type Config struct {
	// Name is for people, as is Comment, which goes with every message.
	Name    string `json:"name,omitempty"`
	Comment string `json:"comment,omitempty"`

	// URL is that of the deployment. Empty is CODER_URL.
	URL string `json:"url,omitempty"`

	// Results is the folder that everything is written to. It is required, and made
	// if it is not there.
	Results string `json:"results"`

	// Binary is the compiled tests of the library, which put on the load:
	// go test -c -tags scaletest. It is required.
	Binary string `json:"binary"`

	// DryRun says what would be done, and does nothing to the deployment.
	DryRun bool `json:"dry_run,omitempty"`

	// Verbose also prints what the children print. It is in files in any case.
	Verbose bool `json:"verbose,omitempty"`

	// Template is that of the workspaces, by name or ID. It is required: only its
	// workspaces are loaded.
	Template string `json:"template"`

	// Workspaces is how many there are to be. SkipCreate takes those that are there.
	// With 0 and SkipCreate a dry run plans for one.
	Workspaces int  `json:"workspaces,omitempty"`
	SkipCreate bool `json:"skip_create,omitempty"`

	// Create says how they are created.
	Create Create `json:"create,omitzero"`

	// JobConcurrency lets so many targets of a kind of traffic have their load at a
	// time. 0 is all at once.
	JobConcurrency int `json:"job_concurrency,omitempty"`

	// Cleanup says what is deleted, and when.
	Cleanup Cleanup `json:"cleanup,omitzero"`

	// Baseline is how long nothing is done before each load, so that there is
	// something to hold it against.
	Baseline scenario.Duration `json:"baseline,omitempty"`

	// Loads are what is done to the workspaces: one after the other, all to all of
	// them, or side by side, each to its own part.
	Loads []Load `json:"loads"`

	// SideBySide lets the loads run at the same time, each Stagger later than the
	// one before.
	SideBySide bool              `json:"side_by_side,omitempty"`
	Stagger    scenario.Duration `json:"stagger,omitempty"`

	// Greedy adds one workspace of this template to each load but those side by
	// side. In the second third of its time its terminal is flooded, 25 MiB every
	// 40 ms. It shows whether one user hurts the others. Empty adds none.
	Greedy string `json:"greedy,omitempty"`

	// Grafana is the address of a Grafana whose annotations show the phases, and
	// Webhook that of what takes messages as Slack does. Empty tells nobody.
	Grafana string `json:"grafana,omitempty"`
	Webhook string `json:"webhook,omitempty"`

	// StopWait is how long the load may take to end by itself when it is stopped;
	// then it is killed. 0 means 2 minutes.
	StopWait scenario.Duration `json:"stop_wait,omitempty"`
}

// Create says how workspaces are created.
type Create struct {
	Concurrency int               `json:"concurrency,omitempty"`  // at a time; 0 means 1
	Retries     int               `json:"retries,omitempty"`      // new builds after one that failed
	MaxFailures int               `json:"max_failures,omitempty"` // how many may fail
	Timeout     scenario.Duration `json:"timeout,omitempty"`      // for all of them; 0 means 5 hours

	// JobTimeout is for one of them. 0 means 25 minutes: a node may have to come first.
	JobTimeout scenario.Duration `json:"job_timeout,omitempty"`
}

// Cleanup says what is deleted, and when. It is only ever what ledgers say that
// campaigns of this folder have created.
type Cleanup struct {
	Before      bool     `json:"before,omitempty"`      // what earlier ones have left, at the beginning
	Strategy    Strategy `json:"strategy,omitempty"`    // when at the end; empty is always
	Concurrency int      `json:"concurrency,omitempty"` // at a time; 0 means 1
}

// Strategy says when a campaign deletes what it has created.
type Strategy string

// The strategies. What is left is deleted by [Config.Cleanup].Before of the next
// campaign, or by hand.
const (
	Always    Strategy = "always"     // at the end, whatever came of it
	OnStop    Strategy = "on_stop"    // when the workspace stops, so by [Stop]
	OnSuccess Strategy = "on_success" // at the end of one that passed
	OnError   Strategy = "on_error"   // at the end of one that failed or broke down
)

// Load is one kind of load.
type Load struct {
	Kind     scenario.Kind     `json:"kind"`     // ssh, terminal, app or dashboard
	Duration scenario.Duration `json:"duration"` // how long

	// Percentage is the part of the targets: the workspaces, or the people of a
	// dashboard. Loads that run side by side take one part after the other. 0 means
	// 100.
	Percentage float64 `json:"percentage,omitempty"`

	// BytesPerTick and TickInterval are how much is typed or sent, and how often;
	// not for a dashboard. 0 means 1 KiB and 100 ms.
	BytesPerTick int               `json:"bytes_per_tick,omitempty"`
	TickInterval scenario.Duration `json:"tick_interval,omitempty"`

	// App is the slug of the app: wsec (which is also meant by none), wsra or wsdi.
	App string `json:"app,omitempty"`

	// Thresholds decide between pass and fail, as in a scenario file.
	Thresholds []string `json:"thresholds,omitempty"`
}

// maxConfig is more than a configuration needs.
const maxConfig = 1 << 20

// ReadConfig reads and checks a configuration. A key that is not known is an error.
func ReadConfig(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration of the campaign: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxConfig))
	var cfg Config
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err = d.Decode(&cfg); err == nil && d.More() {
			err = errors.New("there is more behind the first object, want one")
		}
	}
	if err == nil {
		err = cfg.Validate()
	}
	if err != nil {
		return Config{}, fmt.Errorf("%s is no configuration of a campaign: %w", path, err)
	}
	return cfg, nil
}

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, f := range []struct{ name, value string }{{"results", c.Results}, {"binary", c.Binary}, {"template", c.Template}} {
		if f.value == "" {
			add("%s is not set, want a value", f.name)
		}
	}
	for _, f := range []struct{ name, value string }{{"url", c.URL}, {"grafana", c.Grafana}, {"webhook", c.Webhook}} {
		if f.value != "" {
			if err := checkURL(f.value); err != nil {
				add("%s is no address: %w", f.name, err)
			}
		}
	}
	for _, n := range []struct {
		name  string
		value int
	}{
		{"workspaces", c.Workspaces}, {"job_concurrency", c.JobConcurrency}, {"create.concurrency", c.Create.Concurrency},
		{"create.retries", c.Create.Retries}, {"create.max_failures", c.Create.MaxFailures}, {"cleanup.concurrency", c.Cleanup.Concurrency},
	} {
		if n.value < 0 {
			add("%s is %d, want 0 or more", n.name, n.value)
		}
	}
	if c.Workspaces == 0 && !c.SkipCreate {
		add("workspaces is 0, want 1 or more, or skip_create for those that are there")
	}
	switch c.Cleanup.Strategy {
	case "", Always, OnStop, OnSuccess, OnError:
	default:
		add("cleanup.strategy is %q, want always, on_stop, on_success or on_error", c.Cleanup.Strategy)
	}
	if c.Greedy != "" && c.SideBySide {
		add("greedy is for loads one after the other, want no side_by_side with it")
	}
	if c.Greedy != "" && c.Greedy == c.Template {
		add("greedy is %q, which is the template of all workspaces: want one of its own, or the others would be flooded", c.Greedy)
	}
	return errors.Join(append(errs, c.validateLoads())...)
}

func (c Config) validateLoads() error {
	var errs []error
	seen := map[scenario.Kind]bool{}
	if len(c.Loads) == 0 {
		errs = append(errs, errors.New("there are no loads, want ssh, terminal, app or dashboard"))
	}
	for i, l := range c.Loads {
		switch l.Kind {
		case scenario.SSH, scenario.Terminal, scenario.App, scenario.Dashboard:
		default:
			errs = append(errs, fmt.Errorf("load %d: the kind is %q, want ssh, terminal, app or dashboard", i+1, l.Kind))
			continue
		}
		if seen[l.Kind] {
			errs = append(errs, fmt.Errorf("load %d: there is another %s, want one of each kind", i+1, l.Kind))
		}
		seen[l.Kind] = true
		if l.Percentage < 0 || l.Percentage > 100 || l.BytesPerTick < 0 {
			errs = append(errs, fmt.Errorf("load %d (%s): percentage is %v and bytes_per_tick %d, want from 0 to 100, and 0 or more", i+1, l.Kind, l.Percentage, l.BytesPerTick))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for _, s := range c.loadSteps() { // what else a scenario file can say is checked by it
		if err := s.file.Validate(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// checkURL does not repeat the address: there may be a token in it.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("it can't be parsed, want such as https://example.com")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return errors.New("want one that begins with https:// or http:// and has a host")
	case u.User != nil:
		return errors.New("it has a user or a password, want none")
	}
	return nil
}

func (c Config) strategy() Strategy { return or(c.Cleanup.Strategy, Always) }

func (c Config) stopWait() time.Duration {
	return or(time.Duration(c.StopWait), 2*time.Minute)
}

// or is v, unless that is zero.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
