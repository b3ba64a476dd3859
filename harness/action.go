package harness

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
)

// Action is something that runners do and whose time is measured, such as
// "login". Make it once, as a package variable: [Recorder.Do] finds its
// histograms by a number.
type Action struct{ id int }

// Counter is something that runners count, such as "bytes_sent".
type Counter struct{ id int }

// registry numbers names. The same name is the same action, wherever it is
// made.
type registry struct {
	mu    sync.Mutex
	names []name
	ids   map[string]int
	tags  map[int]map[string]int // numbers of what has tags, by the one without
}

// name is that of a number: the text, or the number of the one without tags.
type name struct {
	text string
	base int
	tags string
}

var actions, counters registry

var nameRule = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// builtin are metrics that the harness itself has.
var builtin = map[string]bool{
	"errors": true, "iterations": true, "iteration": true, "iteration_errors": true,
	"dropped_iterations": true, "throughput": true, "lag": true, "disconnects": true,
}

func (r *registry) id(kind, text string) int {
	if !nameRule.MatchString(text) || builtin[text] {
		panic(fmt.Sprintf("harness: %s %q: want lower-case letters, digits and '_', beginning with a letter, and none of the harness' own names", kind, text))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if id, ok := r.ids[text]; ok {
		return id
	}
	if r.ids == nil {
		r.ids = map[string]int{}
	}
	n := len(r.names)
	r.ids[text] = n
	r.names = append(r.names, name{text: text, base: n})
	return n
}

// name is the text, without tags.
func (r *registry) name(id int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.names[r.names[id].base].text
}

// NewAction names an action: lower-case letters, digits and underscores. It
// panics for any other name, as regexp.MustCompile does, because it is called
// when the program starts.
func NewAction(name string) Action { return Action{actions.id("action", name)} }

// NewCounter names a counter, by the same rules as [NewAction].
func NewCounter(name string) Counter { return Counter{counters.id("counter", name)} }

// Metrics are the names that thresholds can be about in this program: those
// that the harness has itself, and the actions and counters that have been made.
func Metrics() []string {
	names := slices.Sorted(maps.Keys(builtin))
	for _, name := range slices.Sorted(slices.Values(actions.all())) {
		names = append(names, name, name+"_service", name+"_errors")
	}
	return append(names, slices.Sorted(slices.Values(counters.all()))...)
}

func (r *registry) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.ids))
}

// String is the action's name, with its tags: "login{attempt=first}".
func (a Action) String() string {
	base, tags := actions.split(a.id)
	if tags == "" {
		return actions.name(base)
	}
	return actions.name(base) + "{" + tags + "}"
}

// String is the counter's name.
func (c Counter) String() string { return counters.name(c.id) }
