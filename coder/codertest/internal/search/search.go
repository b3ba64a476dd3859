// Package search reads the q parameter of lists: space-separated key:value
// terms, quoted where a value has spaces, and bare words that belong to a
// default key.
package search

import (
	"fmt"
	"strings"
)

// Query is a parsed q.
type Query struct {
	// Terms are the values of each key, in order. Keys are lower-case.
	Terms map[string][]string
	// Keys are the keys in the order of their first appearance.
	Keys []string
}

// Get is the last value of a key, or "".
func (q Query) Get(key string) string {
	if v := q.Terms[key]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// Error says which field of a query is wrong. Its text is that of the wire.
type Error struct{ Field, Detail string }

func (e *Error) Error() string { return e.Field + ": " + e.Detail }

// Parse reads q. Bare words are joined to one value of the default key. The
// error is an [Error].
func Parse(q, defaultKey string) (Query, error) {
	out := Query{Terms: map[string][]string{}}
	add := func(key, value string) {
		if _, ok := out.Terms[key]; !ok {
			out.Keys = append(out.Keys, key)
		}
		out.Terms[key] = append(out.Terms[key], value)
	}
	var bare []string
	for _, term := range split(strings.ToLower(q)) {
		parts := cut(term)
		switch {
		case strings.HasPrefix(term, ":") || strings.HasSuffix(term, ":"):
			return Query{}, &Error{"q", fmt.Sprintf("Query element %q cannot start or end with ':'", term)}
		case len(parts) > 2:
			return Query{}, &Error{"q", fmt.Sprintf("Query element %q can only contain 1 ':'", term)}
		case len(parts) == 2:
			add(strings.Trim(parts[0], `"`), strings.Trim(parts[1], `"`))
		default:
			bare = append(bare, strings.Trim(term, `"`))
		}
	}
	if len(bare) > 0 {
		add(defaultKey, strings.Join(bare, " "))
	}
	return out, nil
}

// split cuts at spaces outside of quotes.
func split(q string) []string { return fields(q, ' ') }

// cut cuts at colons outside of quotes.
func cut(term string) []string { return fields(term, ':') }

func fields(s string, at rune) (out []string) {
	quoted := false
	return strings.FieldsFunc(s, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && r == at
	})
}
