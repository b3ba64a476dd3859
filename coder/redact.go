package coder

import (
	"net/url"
	"strings"
)

const redacted = "[redacted]"

// secret holds a token behind a pointer, because fmt prints the fields of a
// struct that it can't call methods on, but never follows pointers inside.
type secret struct{ value *string }

func newSecret(s string) secret { return secret{value: &s} }

func (s secret) reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// String implements fmt.Stringer.
func (secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (secret) GoString() string { return redacted }

// scrub removes secrets from text that came from outside. Servers and proxies
// echo what they were sent.
func scrub(text string, secrets ...string) string {
	for _, s := range secrets {
		if len(s) < 4 {
			continue
		}
		text = strings.ReplaceAll(text, s, redacted)
		if escaped := url.QueryEscape(s); escaped != s {
			text = strings.ReplaceAll(text, escaped, redacted)
		}
	}
	return text
}

// redactURL drops user, query and fragment of a URL.
func redactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return redacted
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	return u.String()
}
