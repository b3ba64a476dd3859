package scenario

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/coderscale/scaletest/harness"
)

// Schema is the JSON Schema (2020-12) of the format.
//
//go:embed schema.json
var Schema []byte

// maxFile is more than anybody writes, and less than what hurts.
const maxFile = 1 << 20

// Read reads and checks a file, and the recorded arrivals that it names.
func Read(path string) (File, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return File{}, fmt.Errorf("read the scenario file: %w", err)
	}
	f, err := decode(b)
	if err == nil {
		err = f.readReplays(filepath.Dir(path))
		err = errors.Join(err, f.Validate())
	}
	if err != nil {
		return File{}, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Parse reads YAML, or the JSON that is a part of it, and checks it. A key that
// the format does not have is an error. Errors name the line. It reads no other
// file, so recorded arrivals must be in the text: see [Read].
func Parse(text []byte) (File, error) {
	f, err := decode(text)
	if err != nil {
		return f, err
	}
	return f, f.Validate()
}

// decode reads without a check of what is said.
func decode(text []byte) (File, error) {
	if len(text) > maxFile {
		return File{}, fmt.Errorf("it has %d bytes, want at most %d", len(text), maxFile)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	var f File
	err := d.Decode(&f)
	switch {
	case errors.Is(err, io.EOF):
		return File{}, errors.New("it is empty")
	case err != nil:
		return File{}, plain(err)
	}
	if err := d.Decode(new(File)); !errors.Is(err, io.EOF) {
		return File{}, errors.New("it holds more than one document, want one")
	}
	return f, nil
}

var (
	goType     = regexp.MustCompile(` in type [a-z]+\.[A-Za-z]+`)
	yamlPrefix = regexp.MustCompile(`^yaml: (unmarshal errors:\n\s*)?`)
)

// plain takes the words of the library out of its error.
func plain(err error) error {
	text := yamlPrefix.ReplaceAllString(err.Error(), "")
	text = goType.ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, "not found", "is not known here")
	text = strings.ReplaceAll(text, "cannot unmarshal !!seq into scenario.File", "it is a list, want keys such as scenarios")
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return errors.New(strings.Join(lines, "; "))
}

// Validate reports everything that is wrong with the file.
func (f File) Validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch f.Order {
	case "", Together:
	case Sequence:
		if f.Stagger > 0 {
			add("stagger is for order together, and the order is sequence")
		}
	default:
		add("order is %q, want together or sequence", f.Order)
	}
	if f.MaxFailures < 0 || f.Stagger < 0 || f.Baseline < 0 {
		add("max_failures, stagger or baseline is negative")
	}
	if len(f.Scenarios) == 0 {
		add("there are no scenarios")
	}
	names := map[string]bool{}
	shares := map[bool]float64{}
	for i, s := range f.Scenarios {
		name := s.name()
		if !nameRule.MatchString(name) {
			add("scenario %d: the name is %q, want lower-case letters, digits, '_' and '-'", i+1, name)
		}
		if c := f.Create; c != nil && c.Workspaces > 0 {
			if _, _, err := s.Targets.Range.Of(c.Workspaces); err != nil {
				add("scenario %d (%s): targets are %v: %w workspaces, which are to be created", i+1, name, s.Targets, err)
			}
		}
		if names[name] {
			add("two scenarios are named %q: give one a name of its own", name)
		}
		names[name] = true
		if err := s.validate(len(f.Disruptions) > 0); err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				add("scenario %d (%s): %s", i+1, name, line)
			}
		}
		shares[s.Kind == Dashboard] += s.Targets.Share
	}
	if f.Order != Sequence && max(shares[true], shares[false]) > 100+1e-9 {
		add("the shares of scenarios that run together add up to more than 100%%: they take consecutive slices of the targets")
	}
	errs = append(errs, f.validateDisruptions())
	if c := f.Create; c != nil {
		if c.Workspaces < 1 {
			add("create: workspaces is %d, want at least 1", c.Workspaces)
		}
		if c.Concurrency < 0 || c.CleanupConcurrency < 0 || c.Retries < 0 || c.MaxFailures < 0 {
			add("create: a number is negative, want 0 (the default) or more")
		}
	}
	return errors.Join(errs...)
}

// nameRule is that of the harness.
var nameRule = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// allowed are the fields that kinds have, besides those that all have. A build has
// more with a schedule.
var allowed = map[Kind][]string{
	Terminal:  {"ramp_up", "warm_up", "cool_down", "bytes_per_tick", "tick_interval", "concurrency"},
	SSH:       {"ramp_up", "warm_up", "cool_down", "bytes_per_tick", "tick_interval", "concurrency", "ssh_mode", "virtual_users"},
	App:       {"ramp_up", "warm_up", "cool_down", "bytes_per_tick", "tick_interval", "concurrency", "app", "app_mode"},
	Dashboard: {"ramp_up", "warm_up", "cool_down", "interval", "jitter"},
	API:       {"warm_up", "cool_down", "rate", "virtual_users", "calls"},
	Build:     {"build", "concurrency"},
	Watch:     {"ramp_up", "warm_up", "cool_down"},
}

// fields are those that the scenario may set.
func (s Scenario) fields() (fields []string, known bool) {
	fields, known = allowed[s.Kind]
	if s.Kind == Build && s.schedule().Kind != Turns {
		fields = append(slices.Clone(fields), "warm_up", "cool_down", "virtual_users")
	}
	return fields, known
}

// given are the fields of some kinds, and which of them are set.
func (s Scenario) given() []field {
	return []field{
		{"ramp_up", s.RampUp != 0}, {"warm_up", s.WarmUp != 0}, {"cool_down", s.CoolDown != 0},
		{"bytes_per_tick", s.BytesPerTick != 0}, {"tick_interval", s.TickInterval != 0},
		{"concurrency", s.Concurrency != 0}, {"app", s.App != ""}, {"app_mode", s.AppMode != ""}, {"ssh_mode", s.SSHMode != ""},
		{"build", s.Build != ""}, {"interval", s.Interval != 0}, {"jitter", s.Jitter != 0},
		{"rate", s.Rate != 0}, {"virtual_users", s.VirtualUsers != 0}, {"calls", len(s.Calls) > 0},
	}
}

// what is the kind, and the mode where that decides what its users do.
func (s Scenario) what() string {
	if s.Kind == SSH {
		return fmt.Sprintf("an ssh of mode %s", or(s.SSHMode, "echo"))
	}
	return "kind " + string(s.Kind)
}

// validate reports what is wrong with a scenario of a file that has disruptions, or
// not.
func (s Scenario) validate(disrupted bool) error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	fields, known := s.fields()
	if !known {
		add("the kind is %q, want terminal, ssh, app, dashboard, api, build or watch", s.Kind)
		return errors.Join(errs...)
	}
	for _, f := range s.given() {
		if f.given && !slices.Contains(fields, f.name) {
			add("%s means nothing for kind %s", f.name, s.Kind)
		}
	}
	if s.Concurrency < 0 {
		add("concurrency is %d, want 0 (all at once) or more", s.Concurrency)
	}
	if s.Concurrency > 0 && (or(s.AppMode, s.App) == "wsra" || s.SSHMode != "" && s.SSHMode != "echo" && s.SSHMode != "terminal") {
		add("concurrency is for loads that are sent: want none with app wsra, and ssh_mode echo or terminal")
	}
	errs = append(errs, s.validateSchedule(), s.validateParts())
	if s.Kind == API && len(s.Calls) == 0 {
		add("there are no calls")
	}
	if s.Kind == Dashboard && s.Jitter > 0 && s.Jitter >= s.interval() {
		add("jitter is %v, want less than the interval of %v", s.Jitter, s.interval())
	}
	return errors.Join(append(errs, s.validateThresholds(disrupted))...)
}

// validateThresholds also reports phases that the load does not have.
func (s Scenario) validateThresholds(disrupted bool) error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, text := range s.Thresholds {
		t, err := harness.ParseThreshold(text)
		switch {
		case err != nil:
			add("threshold %q: %v", text, err)
		case t.Phase == harness.WarmUp && s.WarmUp == 0, t.Phase == harness.CoolDown && s.CoolDown == 0:
			add("threshold %q: the scenario has no %s", text, strings.ReplaceAll(string(t.Phase), "-", "_"))
		case (t.Phase == harness.Before || t.Phase == harness.During || t.Phase == harness.After) && !disrupted:
			add("threshold %q: the file has no disruptions", text)
		}
	}
	return errors.Join(errs...)
}

// validateParts reports what is wrong with how the duration is divided.
func (s Scenario) validateParts() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.RampUp < 0 || s.WarmUp < 0 || s.CoolDown < 0 {
		add("ramp_up, warm_up or cool_down is negative")
	}
	if s.Concurrency > 0 && (s.RampUp > 0 || s.CoolDown > 0) {
		add("ramp_up and cool_down are for targets that all have their load at once: want none with concurrency")
	}
	if s.RampUp > 0 && s.RampUp >= s.Duration {
		add("ramp_up is %v, want less than the duration of %v", s.RampUp, s.Duration)
	}
	switch apart, length := s.WarmUp+s.CoolDown, Duration(s.length()); {
	case length == 0 && s.schedule().Kind.counts():
		if s.CoolDown > 0 {
			add("cool_down needs a load whose length is known, which that of %s is not", s.schedule().Kind)
		}
	case apart > 0 && apart >= length:
		add("warm_up and cool_down are %v together, want less than the duration of %v: nothing would count", apart, length)
	}
	return errors.Join(errs...)
}
