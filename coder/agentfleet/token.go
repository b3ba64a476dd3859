package agentfleet

import (
	"fmt"
	"io"

	"github.com/google/uuid"
)

// Token is what an agent identifies itself with. Whatever prints it shows
// "[redacted]".
type Token struct{ value *string } // fmt follows no pointers inside of structs

// NewToken hides a token.
func NewToken(s string) Token { return Token{&s} }

func (t Token) reveal() string {
	if t.value == nil {
		return ""
	}
	return *t.value
}

// IsZero reports whether there is none.
func (t Token) IsZero() bool { return t.reveal() == "" }

const redacted = "[redacted]"

// Format implements fmt.Formatter for all verbs.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String implements fmt.Stringer.
func (Token) String() string { return redacted }

// MarshalText implements encoding.TextMarshaler.
func (Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Agent is one that can be played.
type Agent struct {
	// Workspace is owner/name, for people.
	Workspace string
	// Name is the agent's name in its template.
	Name string
	// ID is the agent's, and may be Nil: its manifest tells it.
	ID uuid.UUID
	// Token is of the latest build. The next one makes another.
	Token Token
}

// String is what people call it.
func (a Agent) String() string {
	switch {
	case a.Workspace == "" && a.Name == "":
		return "agent " + a.ID.String()
	case a.Name == "":
		return "the agent of " + a.Workspace
	}
	return "agent " + a.Name + " of " + a.Workspace
}
