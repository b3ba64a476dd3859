package ledger

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// version is the format's.
const version = 1

// Header is what a ledger begins with.
type Header struct {
	// Target is where things are created, usually a URL. A user name, password,
	// query and fragment are taken off.
	Target string `json:"target"`
	// TargetID identifies the target beyond its URL. It can be empty.
	TargetID string `json:"target_id,omitempty"`
	// StartedAt is when the ledger was begun.
	StartedAt time.Time `json:"started_at"`
	// Host and PID are of the process that began it.
	Host string `json:"host"`
	PID  int    `json:"pid"`
}

type headerLine struct {
	Version int `json:"ledger"`
	Header
}

// Entry is something that was intended or made.
type Entry struct {
	Run  string `json:"run"`
	Kind string `json:"kind"`
	Name string `json:"name"`
	// ID is what the target calls it. It is empty if that was never noted.
	ID string `json:"id,omitempty"`
}

// op is what happened to an entry.
type op string

const (
	opIntend op = "intend"
	opMade   op = "made"
	opGone   op = "gone"
)

type entryLine struct {
	Op op `json:"op"`
	Entry
}

func (h Header) complete() Header {
	if h.StartedAt.IsZero() {
		h.StartedAt = time.Now()
	}
	h.StartedAt = h.StartedAt.UTC()
	if h.Host == "" {
		h.Host, _ = os.Hostname() // unknown is empty
	}
	if h.PID == 0 {
		h.PID = os.Getpid()
	}
	if u, err := url.Parse(h.Target); err == nil && (u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		u.User, u.RawQuery, u.Fragment = nil, "", ""
		h.Target = u.String()
	}
	return h
}

func (h Header) validate() error {
	return errors.Join(checkText("the target", h.Target, false), checkText("the target's ID", h.TargetID, false), checkText("the host", h.Host, false))
}

func (h Header) line() []byte {
	b, _ := json.Marshal(headerLine{version, h}) // strings, numbers and the time of now can't fail
	return append(b, '\n')
}

// fileName sorts by time. The rest keeps processes apart.
func fileName(t time.Time) string {
	return "ledger-" + t.UTC().Format("20060102T150405.000Z") + "-" + strings.ToLower(rand.Text()[:8]) + ".ndjson"
}

func isFileName(name string) bool {
	return strings.HasPrefix(name, "ledger-") && strings.HasSuffix(name, ".ndjson")
}

func (e Entry) key() key { return key{e.Run, e.Kind, e.Name} }

// validate refuses what can't be a name, and what looks like a secret.
func (e Entry) validate() error {
	return errors.Join(checkText("the run", e.Run, true), checkText("the kind", e.Kind, true),
		checkText("the name", e.Name, true), checkText("the ID", e.ID, false))
}

// maxText is more than any name has, in bytes.
const maxText = 1024

// checkText says what is wrong with a text, without repeating it.
func checkText(what, text string, needed bool) error {
	switch {
	case needed && text == "":
		return fmt.Errorf("%s is empty", what)
	case len(text) > maxText:
		return fmt.Errorf("%s has %d bytes, want at most %d", what, len(text), maxText)
	case !utf8.ValidString(text):
		return fmt.Errorf("%s is not UTF-8", what)
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == '"' || r == '\\' }):
		return fmt.Errorf("%s has a control character, a quote or a backslash", what)
	case looksSecret(text):
		return fmt.Errorf("%s looks like a token: a ledger holds no secrets", what)
	}
	return nil
}

// looksSecret reports whether a part of a name has the form of a session token:
// ten letters or digits, a dash, and 22 more, which no name may have.
func looksSecret(text string) bool {
	for part := range strings.SplitSeq(text, "/") {
		id, secret, ok := strings.Cut(part, "-")
		if ok && len(id) == 10 && len(secret) == 22 && alphanumeric(id) && alphanumeric(secret) {
			return true
		}
	}
	return false
}

func alphanumeric(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	})
}

// append adds the entry's line. The texts have been validated, so that nothing
// needs escapes.
func (e Entry) append(b []byte, o op) []byte {
	field := func(name, value string) {
		b = append(b, name...)
		b = append(b, value...)
	}
	field(`{"op":"`, string(o))
	field(`","run":"`, e.Run)
	field(`","kind":"`, e.Kind)
	field(`","name":"`, e.Name)
	if e.ID != "" {
		field(`","id":"`, e.ID)
	}
	return append(b, `"}`+"\n"...)
}
