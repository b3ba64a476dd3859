package coder

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Error is an answer of the deployment, or of something in front of it, that
// is not a success. Use errors.As to look inside, or the Is functions.
type Error struct {
	// Action is what was attempted, such as `create workspace "x" for alice`.
	Action string
	// StatusCode is the HTTP status.
	StatusCode int
	// Message is the server's message. Of an HTML page it is the title, of
	// plain text the first line.
	Message string
	// Detail is more from the server, often empty.
	Detail string
	// Validations are the fields that the server refused.
	Validations []ValidationError
	// Method and Path are of the request. The path has no query.
	Method, Path string
	// RequestID names the request in the server's log. It can be empty.
	RequestID string
	// RetryAfter is what a 429 asked to wait, else 0.
	RetryAfter time.Duration
	// HTML is whether the body was a web page.
	HTML bool
	// FromCoder is whether the answer came from Coder, and not from a proxy
	// or another server.
	FromCoder bool
	// Location is where a redirect points to, without its query.
	Location string

	hint string
}

// ValidationError is one field that the server refused.
type ValidationError struct {
	// Field is the name of the field or query key.
	Field string `json:"field"`
	// Detail says what is wrong with it.
	Detail string `json:"detail"`
}

// Error says what was attempted, why it failed and, where that helps, what to
// do. It is one line and holds no token.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Action != "" {
		b.WriteString(e.Action)
		b.WriteString(": ")
	}
	b.WriteString(sentence(e.Message))
	if e.Detail != "" && sentence(e.Detail) != sentence(e.Message) {
		b.WriteString(": ")
		b.WriteString(sentence(e.Detail))
	}
	for i, v := range e.Validations {
		b.WriteString([]string{": ", "; "}[min(i, 1)])
		b.WriteString(v.Field + ": " + sentence(v.Detail))
	}
	fmt.Fprintf(&b, " (%d", e.StatusCode)
	if e.Method != "" {
		b.WriteString(" from " + e.Method + " " + e.Path)
	}
	if e.RequestID != "" {
		b.WriteString(", request " + e.RequestID)
	}
	b.WriteString(")")
	if hint := e.advice(); hint != "" {
		b.WriteString("; " + hint)
	}
	return b.String()
}

// advice is what the reader can do about the failure.
func (e *Error) advice() string {
	switch {
	case e.hint != "":
		return e.hint
	case e.Location != "":
		return "it redirects to " + e.Location + ", use the URL at which Coder answers itself"
	case !e.FromCoder:
		return "the answer is not from Coder, look at the URL and at proxies in between"
	case e.StatusCode == http.StatusUnauthorized && e.Method != "" && !strings.HasSuffix(e.Path, "/users/login"):
		return "get a new token"
	case e.StatusCode == http.StatusRequestEntityTooLarge:
		return "send less at once"
	case e.StatusCode == http.StatusPreconditionRequired:
		return "only an owner's token may bypass rate limits"
	}
	return ""
}

// sentence makes text fit in the middle of another sentence.
func sentence(s string) string {
	return strings.TrimRight(strings.TrimSpace(s), ".:! ")
}

// asError finds the answer in err. An error without one has status 0.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{}
}

// userAbsent is how servers before 2.31 say that a user does not exist: with
// status 400.
const userAbsent = `"user" must be an existing uuid or username`

// IsNotFound reports whether the thing does not exist or may not be seen,
// which the server does not tell apart. Unknown users count, also on servers
// that answer 400 for them. Deleted workspaces are [IsGone].
func IsNotFound(err error) bool {
	e := asError(err)
	return e.StatusCode == http.StatusNotFound && !IsAgentUnreachable(err) ||
		e.StatusCode == http.StatusBadRequest && strings.Contains(e.Message, userAbsent)
}

// IsGone reports whether a workspace was deleted (410).
func IsGone(err error) bool { return asError(err).StatusCode == http.StatusGone }

// IsUnauthorized reports whether the token is missing, invalid or expired, or
// its user suspended (401).
func IsUnauthorized(err error) bool { return asError(err).StatusCode == http.StatusUnauthorized }

// IsForbidden reports whether the token's user may not do this (403). For
// things that the user may not even see, the answer is [IsNotFound].
func IsForbidden(err error) bool { return asError(err).StatusCode == http.StatusForbidden }

// IsConflict reports whether a name is taken or a build is active (409).
func IsConflict(err error) bool { return asError(err).StatusCode == http.StatusConflict }

// IsInvalid reports whether the server refused the request itself (400), but
// not because of an unknown user.
func IsInvalid(err error) bool {
	return asError(err).StatusCode == http.StatusBadRequest && !IsNotFound(err)
}

// IsRateLimited reports whether a rate limit refused the call (429), and the
// wait it asked for was too long or not wanted.
func IsRateLimited(err error) bool { return asError(err).StatusCode == http.StatusTooManyRequests }

// IsAgentUnreachable reports whether a terminal or an app was refused because
// the agent is not connected: 502 on older servers, 404 on newer ones, a web
// page on both. It can work a moment later.
func IsAgentUnreachable(err error) bool {
	e := asError(err)
	if !e.HTML || !e.FromCoder {
		return false
	}
	unavailable := strings.Contains(e.Message, "Application Unavailable")
	return e.StatusCode == http.StatusBadGateway || e.StatusCode == http.StatusNotFound && unavailable
}

// IsUnsupported reports whether this server does not have the endpoint, as
// far as an answer tells: unknown route, wrong method, or the dashboard's page
// instead of an answer. Some servers say 400 or 403 for what they lack.
func IsUnsupported(err error) bool {
	e := asError(err)
	return e.StatusCode == http.StatusMethodNotAllowed ||
		e.StatusCode == http.StatusNotFound && strings.HasPrefix(e.Message, "Route not found") ||
		e.HTML && e.FromCoder && e.StatusCode == http.StatusOK
}
