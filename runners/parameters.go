package runners

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/coderscale/scaletest/coder"
)

// CheckParameters holds values against what a template asks for, and reports
// everything that is wrong with them: names that it does not have (a server
// would ignore them), values of another type, that are none of the options, or
// beyond the limits, and parameters that have no default and got no value.
//
// The rules are those that the server applies when a workspace is made.
func CheckParameters(asked []coder.RichParameter, values []coder.BuildParameter) error {
	var errs []error
	byName := map[string]coder.RichParameter{}
	names := make([]string, 0, len(asked))
	for _, p := range asked {
		byName[p.Name] = p
		names = append(names, p.Name)
	}
	given := map[string]bool{}
	for _, v := range values {
		p, ok := byName[v.Name]
		switch {
		case !ok && len(names) == 0:
			errs = append(errs, fmt.Errorf("parameter %s: the template asks for no parameters", v.Name))
		case !ok:
			errs = append(errs, fmt.Errorf("parameter %s: the template does not ask for it, it asks for %s", v.Name, strings.Join(names, ", ")))
		case given[v.Name]:
			errs = append(errs, fmt.Errorf("parameter %s: it is given twice", v.Name))
		default:
			if err := checkValue(p, v.Value); err != nil {
				errs = append(errs, fmt.Errorf("parameter %s is %q, %w", v.Name, v.Value, err))
			}
		}
		given[v.Name] = true
	}
	for _, p := range asked {
		if p.Required && !given[p.Name] {
			errs = append(errs, fmt.Errorf("parameter %s: it has no default and got no value", p.Name))
		}
	}
	return errors.Join(errs...)
}

func checkValue(p coder.RichParameter, value string) error {
	if len(p.Options) > 0 && p.Type != "list(string)" {
		options := make([]string, len(p.Options))
		for i, o := range p.Options {
			options[i] = o.Value
		}
		if !slices.Contains(options, value) {
			return fmt.Errorf("want one of %s", strings.Join(options, ", "))
		}
		return nil
	}
	switch p.Type {
	case "number":
		n, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil:
			return errors.New("want a number")
		case p.ValidationMin != nil && n < float64(*p.ValidationMin), p.ValidationMax != nil && n > float64(*p.ValidationMax):
			return fmt.Errorf("want a number %s", between(p.ValidationMin, p.ValidationMax))
		}
	case "bool":
		if value != "true" && value != "false" {
			return errors.New("want true or false")
		}
	case "list(string)":
		if !strings.HasPrefix(strings.TrimSpace(value), "[") {
			return errors.New(`want a JSON list such as ["a","b"]`)
		}
	default:
		if p.ValidationRegex == "" {
			return nil
		}
		// The server has the last word on a pattern that Go can't read.
		if re, err := regexp.Compile(p.ValidationRegex); err == nil && !re.MatchString(value) {
			want := "want what matches " + p.ValidationRegex
			if p.ValidationError != "" {
				want += " (" + p.ValidationError + ")"
			}
			return errors.New(want)
		}
	}
	return nil
}

func between(low, high *int64) string {
	switch {
	case high == nil:
		return fmt.Sprintf("of at least %d", *low)
	case low == nil:
		return fmt.Sprintf("of at most %d", *high)
	}
	return fmt.Sprintf("from %d to %d", *low, *high)
}
