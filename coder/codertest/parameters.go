package codertest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Parameter is a value that a template asks for when a workspace is made.
type Parameter struct {
	// Name is what requests call it.
	Name string

	// Description is for people. Type is "string", "number" or "bool"; ""
	// means "string".
	Description, Type string

	// Default is the value when none is given. Required parameters have none,
	// and a workspace can't be made without giving theirs.
	Default  string
	Required bool

	// Mutable ones may change with a later build.
	Mutable bool

	// Options are the values to choose from. None means any.
	Options []string

	// Regex is what a value must match, and Error what is said if it does not.
	Regex, Error string

	// Min and Max bound a number. Nil means no bound.
	Min, Max *int
}

// Validate reports everything that is wrong with the parameter, joined.
func (p Parameter) Validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if p.Name == "" {
		add("%s is missing", "Name")
	}
	if !slices.Contains([]string{"", "string", "number", "bool"}, p.Type) {
		add("%s is %q, want string, number or bool", "Type", p.Type)
	}
	if _, err := regexp.Compile(p.Regex); err != nil {
		add("%s: %w", "Regex", err)
	}
	if p.Type != "number" && (p.Min != nil || p.Max != nil) {
		add("%s are for numbers", "Min and Max")
	}
	if p.Required && p.Default != "" {
		add("%s is %q, but the parameter is required", "Default", p.Default)
	}
	if errs == nil && !p.Required {
		if problem := p.wire().problem(p.Default); problem != "" && p.Default != "" {
			add("%s: %s", "Default", problem)
		}
	}
	return errors.Join(errs...)
}

// wire is the parameter as the API describes it.
func (p Parameter) wire() parameterJSON {
	out := parameterJSON{
		Name: p.Name, Description: p.Description, DescriptionPlaintext: p.Description, Type: p.Type, FormType: "input",
		Mutable: p.Mutable, DefaultValue: p.Default, Options: []optionJSON{}, Required: p.Required,
		ValidationRegex: p.Regex, ValidationError: p.Error, ValidationMin: p.Min, ValidationMax: p.Max,
	}
	if p.Type == "" {
		out.Type = "string"
	}
	for _, o := range p.Options {
		out.Options = append(out.Options, optionJSON{Name: o, Value: o})
		out.FormType = "radio"
	}
	if p.Type == "bool" {
		out.FormType = "checkbox"
	}
	return out
}

// parameters are those of the templates.
func (c Config) parameters() []parameterJSON {
	all := c.Parameters
	if all == nil {
		least, most := 0, 300
		all = []Parameter{
			{Name: "greeting", Description: "A greeting to show.", Default: "hello", Mutable: true,
				Regex: "^[a-z]{1,16}$", Error: "must be 1-16 lowercase letters"},
			{Name: "size", Description: "How big", Default: "small", Options: []string{"small", "large"}},
			{Name: "delay", Description: "Seconds that the start takes", Type: "number", Default: "0", Mutable: true,
				Min: &least, Max: &most, Error: "delay must be between {min} and {max}"},
		}
	}
	out := []parameterJSON{}
	for _, p := range all {
		out = append(out, p.wire())
	}
	return out
}

// problem is what is wrong with a value, or "".
func (p parameterJSON) problem(value string) string {
	const block = invalidValue + "; "
	if len(p.Options) > 0 && !slices.ContainsFunc(p.Options, func(o optionJSON) bool { return o.Value == value }) {
		return fmt.Sprintf("Value must be a valid option; the value %q must be defined as one of options", value)
	}
	switch p.Type {
	case "bool":
		if value != "true" && value != "false" {
			return fmt.Sprintf("Invalid parameter value; %q is not a valid bool", value)
		}
	case "number":
		n, err := strconv.Atoi(value)
		if err != nil {
			return fmt.Sprintf("Invalid parameter value; %q is not a number", value)
		}
		if p.ValidationMin != nil && n < *p.ValidationMin || p.ValidationMax != nil && n > *p.ValidationMax {
			return block + p.outside(value)
		}
	}
	if p.ValidationRegex != "" {
		if re, err := regexp.Compile(p.ValidationRegex); err == nil && !re.MatchString(value) {
			return fmt.Sprintf("%s%s (value %q does not match %q)", block, p.ValidationError, value, p.ValidationRegex)
		}
	}
	return ""
}

// outside says that a number is out of bounds.
func (p parameterJSON) outside(value string) string {
	bound := func(n *int) string {
		if n == nil {
			return "-"
		}
		return strconv.Itoa(*n)
	}
	text := p.ValidationError
	if text == "" {
		text = "value {value} is not between {min} and {max}"
	}
	return strings.NewReplacer("{min}", bound(p.ValidationMin), "{max}", bound(p.ValidationMax), "{value}", value).Replace(text)
}

// defaults are the values of a build for which none are given.
func (v *version) defaults() []parameterValue {
	out := []parameterValue{}
	for _, p := range v.parameters {
		out = append(out, parameterValue{p.Name, p.DefaultValue})
	}
	return out
}

// resolve makes the values of a build: what is given, what the last build had,
// the default. Names that the template does not have are ignored.
func (v *version) resolve(given, last []parameterValue) ([]parameterValue, *apiError) {
	find := func(in []parameterValue, name string) (string, bool) {
		i := slices.IndexFunc(in, func(p parameterValue) bool { return p.Name == name })
		if i < 0 {
			return "", false
		}
		return in[i].Value, true
	}
	out := []parameterValue{}
	var bad []string
	for _, p := range v.parameters {
		old, had := find(last, p.Name)
		value, ok := find(given, p.Name)
		switch {
		case ok && had && !p.Mutable && value != old:
			bad = append(bad, p.Name, fmt.Sprintf("Immutable parameter changed; Parameter %q is not mutable, so it can't be updated after creating a workspace.", p.Name))
		case ok:
			if problem := p.problem(value); problem != "" {
				bad = append(bad, p.Name, problem)
			}
		case had:
			value = old
		case p.Required:
			bad = append(bad, p.Name, "Required parameter not provided; parameter value is null")
		default:
			value = p.DefaultValue
		}
		out = append(out, parameterValue{p.Name, value})
	}
	if bad != nil {
		e := invalid("Unable to validate parameters", bad...)
		return nil, &e
	}
	return out, nil
}
