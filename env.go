package scaletest

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// envParser reads variables and collects all that is wrong with them.
type envParser struct {
	env  map[string]string
	errs []error
}

func newEnvParser(environ []string) *envParser {
	p := &envParser{env: map[string]string{}}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "CODER_") || name == "GITHUB_ACTIONS" || name == "GITHUB_STEP_SUMMARY" || name == completionIndex {
			p.env[name] = strings.TrimSpace(value)
		}
	}
	return p
}

func (p *envParser) fail(format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf(format, args...))
}

// bad reports a value that is not as it should be.
func (p *envParser) bad(name, want string) {
	p.fail("%s%s is %q, want %s", prefix, name, p.env[prefix+name], want)
}

// set is what was set, for the result. None of these are secrets: the token
// and the URL are not among them.
func (p *envParser) set() map[string]string {
	out := map[string]string{}
	for _, short := range known {
		if value := p.env[prefix+short]; value != "" {
			out[prefix+short] = value
		}
	}
	return out
}

func (p *envParser) text(name string) string { return p.env[prefix+name] }

// token refuses what can't be sent in a header, without showing it.
func (p *envParser) token(name, value string) string {
	for _, r := range value {
		if r <= ' ' || r >= 0x7f {
			p.fail("%s has characters that no token has, want what 'coder tokens create' prints", name)
			return ""
		}
	}
	return value
}

func (p *envParser) url(name, value string) string {
	v := strings.TrimRight(value, "/")
	if v == "" {
		return ""
	}
	if err := checkURL(v); err != nil {
		p.fail("%s is %q, want the access URL of a Coder deployment, such as https://coder.example.com: %w", name, redactURL(v), err)
	}
	return v
}

// checkURL checks a deployment's URL. The error does not hold any of it.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("it is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("it must begin with http:// or https://")
	case u.Hostname() == "":
		return errors.New("it has no host")
	case u.User != nil:
		return errors.New("it must not hold a user name or password")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("it must not have a query or a fragment")
	}
	return nil
}

// redactURL leaves out what may be a password or a token.
func redactURL(v string) string {
	if i := strings.IndexAny(v, "?#"); i >= 0 {
		v = v[:i+1] + "…"
	}
	if i := strings.LastIndexByte(v, '@'); i >= 0 {
		v = "…" + v[i:]
	}
	return v
}

func (p *envParser) boolean(name string) bool {
	v := p.text(name)
	if v == "" {
		return false
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		p.bad(name, "true or false")
	}
	return b
}

// int is 0 if unset.
func (p *envParser) int(name string, lowest int) int {
	v := p.text(name)
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < lowest {
		p.bad(name, fmt.Sprintf("a whole number, at least %d", lowest))
	}
	return n
}

func (p *envParser) optionalInt(name string) *int {
	if p.text(name) == "" {
		return nil
	}
	n := p.int(name, 0)
	return &n
}

func (p *envParser) uint(name string) uint64 {
	v := p.text(name)
	if v == "" {
		return 0
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		p.bad(name, "a whole number, at least 0")
	}
	return n
}

// duration is def if unset. 0 is no limit, as in Coder's utility.
func (p *envParser) duration(name string, def time.Duration) time.Duration {
	v := p.text(name)
	if v == "" {
		return def
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		p.bad(name, "a duration such as 90s or 10m, or 0 for no limit")
		return def
	}
	return d
}

// positiveDuration is 0 if unset.
func (p *envParser) positiveDuration(name string) time.Duration {
	v := p.text(name)
	if v == "" {
		return 0
	}
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		p.bad(name, "a duration of more than 0, such as 100ms or 90s")
		return 0
	}
	return d
}

func (p *envParser) targets(name string) runners.Range {
	v := p.text(name)
	if v == "" {
		return runners.Range{}
	}
	r, err := runners.ParseRange(v)
	if err != nil {
		p.bad(name, strings.TrimPrefix(err.Error(), "want "))
	}
	return r
}

// optionalURL is nil if unset.
func (p *envParser) optionalURL(name string) *url.URL {
	v := strings.TrimRight(p.text(name), "/")
	if v == "" {
		return nil
	}
	if err := checkURL(v); err != nil {
		p.fail("%s%s is %q, want a URL such as https://proxy.example.com: %w", prefix, name, redactURL(v), err)
		return nil
	}
	u, _ := url.Parse(v) // checkURL has
	return u
}

func (p *envParser) thresholds(name string) map[string][]harness.Threshold {
	v := p.text(name)
	if v == "" {
		return nil
	}
	t, err := harness.ParseThresholds(v)
	if err != nil {
		p.bad(name, "thresholds such as \"terminals/echo: p(99)<250ms; errors: rate<0.01\": "+oneLine(err))
	}
	return t
}

// oneLine joins the lines of several errors.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
