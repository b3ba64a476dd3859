package coderdmetrics

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coderscale/scaletest/coder"
)

const (
	// healthTimeout is how long the server itself takes at most.
	healthTimeout = 35 * time.Second

	mostSections      = 20
	messagesOfSection = 5
	longestMessage    = 300
)

// severities are the values of the series "health".
var severities = map[string]float64{"ok": 0, "warning": 1, "error": 2}

// health reads the report besides, because the server may take half a minute to
// make it.
type health struct {
	next    time.Time
	reading bool
	gone    bool // there is nothing to ask for
	values  []Value
	notes   []string
}

// lookAtHealth begins to read the report when it is time.
func (w *Watcher) lookAtHealth(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := &w.health
	if w.closed || w.cfg.Client == nil || w.cfg.HealthEvery < 0 || h.gone || h.reading || now.Before(h.next) {
		return
	}
	h.reading, h.next = true, now.Add(w.cfg.HealthEvery)
	w.wg.Go(func() {
		ctx, cancel := context.WithTimeout(w.ctx, healthTimeout)
		defer cancel()
		report, err := w.cfg.Client.Health(ctx, false)
		w.mu.Lock()
		defer w.mu.Unlock()
		h.reading = false
		switch {
		case w.ctx.Err() != nil:
		case coder.IsForbidden(err) || coder.IsUnsupported(err) || coder.IsNotFound(err):
			h.gone, h.notes = true, []string{"the health report of the deployment can't be read: only an owner's token may"}
		case err != nil:
			h.notes = []string{err.Error()}
		default:
			h.values, h.notes = readHealth(report)
		}
	})
}

// healthNow is what was read since it was last asked for.
func (w *Watcher) healthNow() (values []Value, notes []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	values, notes = w.health.values, w.health.notes
	w.health.values, w.health.notes = nil, nil
	return values, notes
}

// section is what all sections of the report have. Warnings are texts on some
// servers, and objects on others.
type section struct {
	Severity string            `json:"severity"`
	Error    *string           `json:"error"`
	Warnings []json.RawMessage `json:"warnings"`
}

// readHealth reads a report, of which it knows no more than that there are
// sections.
func readHealth(report json.RawMessage) (values []Value, notes []string) {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(report, &parts); err != nil {
		return nil, []string{"the health report of the deployment can't be read: it is no JSON object"}
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		var s section
		if json.Unmarshal(parts[name], &s) != nil || len(values) == mostSections {
			continue
		}
		severity, known := severities[s.Severity]
		if !known {
			continue
		}
		values = append(values, Value{Series: "health", Of: printable(name), Value: severity})
		var messages []string
		if s.Error != nil && *s.Error != "" {
			messages = append(messages, *s.Error)
		}
		for _, raw := range s.Warnings {
			messages = append(messages, warning(raw))
		}
		if severity == 0 {
			continue
		}
		if len(messages) == 0 {
			messages = []string{"it does not say why"}
		}
		for _, m := range messages[:min(len(messages), messagesOfSection)] {
			notes = append(notes, fmt.Sprintf("the deployment's health report has this %s of %s: %s", s.Severity, printable(name), printable(m)))
		}
	}
	return values, notes
}

func warning(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var message struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	_ = json.Unmarshal(raw, &message) // what is no message says nothing
	return strings.TrimPrefix(message.Code+": "+message.Message, ": ")
}

// printable is a text from a server on one line.
func printable(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' }), " ")
	if len(text) <= longestMessage {
		return text
	}
	cut := longestMessage
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
