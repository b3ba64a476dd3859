package coder

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxErrorBody = 64 << 10
	maxSentence  = 300
)

// ResponseError reads an answer that is not a success into an *[Error], and
// closes its body. It is for callers that dial or request themselves, such as
// a terminal or an app. The action says what was attempted. The query of the
// request does not appear.
func (c *Client) ResponseError(action string, resp *http.Response) error {
	return c.responseError(action, resp)
}

func (c *Client) responseError(action string, resp *http.Response, secrets ...string) *Error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what has come is enough
	_ = resp.Body.Close()
	e := classifyBody(resp.StatusCode, resp.Header.Get("Content-Type"), body)
	e.Action = action
	e.StatusCode = resp.StatusCode
	e.FromCoder = resp.Header.Get(buildHeader) != ""
	e.RequestID = printable(resp.Header.Get(requestHeader), 64)
	if resp.StatusCode == http.StatusTooManyRequests {
		e.RetryAfter = retryAfter(resp.Header)
	}
	if resp.Request != nil {
		e.Method = resp.Request.Method
		e.Path = resp.Request.URL.Path
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		e.Location = redactLocation(resp)
	}
	secrets = append(secrets, c.reveal())
	e.Message = scrub(e.Message, secrets...)
	e.Detail = scrub(e.Detail, secrets...)
	e.Location = scrub(e.Location, secrets...)
	e.Path = scrub(e.Path, secrets...)
	for i, v := range e.Validations {
		e.Validations[i] = ValidationError{Field: scrub(v.Field, secrets...), Detail: scrub(v.Detail, secrets...)}
	}
	return e
}

// redactLocation is the target of a redirect without its query, which can
// hold the address of the page and one-time keys.
func redactLocation(resp *http.Response) string {
	location := resp.Header.Get("Location")
	if location == "" {
		return ""
	}
	if resp.Request != nil {
		if u, err := resp.Request.URL.Parse(location); err == nil {
			location = u.String()
		}
	}
	return printable(redactURL(location), maxSentence)
}

// classifyBody makes one short message of whatever an answer says.
func classifyBody(status int, contentType string, body []byte) *Error {
	e := &Error{StatusCode: status}
	var answer struct {
		Message     string            `json:"message"`
		Detail      string            `json:"detail"`
		Validations []ValidationError `json:"validations"`
	}
	trimmed := bytes.TrimSpace(body)
	switch {
	case bytes.HasPrefix(trimmed, []byte("{")) && json.Unmarshal(trimmed, &answer) == nil && answer.Message != "":
		e.Message = printable(answer.Message, maxSentence)
		e.Detail = printable(answer.Detail, maxSentence)
		for _, v := range answer.Validations {
			e.Validations = append(e.Validations, ValidationError{
				Field: printable(v.Field, 80), Detail: printable(v.Detail, maxSentence),
			})
		}
	case strings.HasPrefix(contentType, "text/html") || bytes.HasPrefix(trimmed, []byte("<")):
		e.HTML = true
		e.Message = pageTitle(trimmed)
	default:
		line, _, _ := strings.Cut(string(trimmed), "\n")
		e.Message = printable(strings.TrimSpace(line), maxSentence)
	}
	if e.Message == "" {
		e.Message = http.StatusText(status)
	}
	if e.Message == "" {
		e.Message = "the answer says nothing"
	}
	return e
}

// pageTitle is the title of an HTML page without the status in front of it.
func pageTitle(page []byte) string {
	lower := bytes.ToLower(page)
	if len(lower) != len(page) {
		return ""
	}
	start := bytes.Index(lower, []byte("<title"))
	if start < 0 {
		return ""
	}
	open := bytes.IndexByte(lower[start:], '>')
	if open < 0 {
		return ""
	}
	start += open + 1
	end := bytes.IndexByte(lower[start:], '<')
	if end < 0 {
		return ""
	}
	title := printable(html.UnescapeString(string(page[start:start+end])), maxSentence)
	if number, rest, ok := strings.Cut(title, " - "); ok && len(number) == 3 && strings.Trim(number, "0123456789") == "" {
		return rest
	}
	return title
}

// printable cuts text to a number of bytes, in one line, and drops what would
// act on a terminal.
func printable(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	if len(s) <= limit {
		return s
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
