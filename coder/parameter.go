package coder

import (
	"context"

	"github.com/google/uuid"
)

// RichParameter is a value that a template asks for.
type RichParameter struct {
	Name                string            `json:"name"`
	DisplayName         string            `json:"display_name"`
	Description         string            `json:"description"`
	Type                string            `json:"type"`      // string, number, bool or list(string)
	FormType            string            `json:"form_type"` // empty on older servers
	Mutable             bool              `json:"mutable"`
	DefaultValue        string            `json:"default_value"`
	Options             []ParameterOption `json:"options"`
	Required            bool              `json:"required"` // has no default
	Ephemeral           bool              `json:"ephemeral"`
	ValidationError     string            `json:"validation_error"`
	ValidationRegex     string            `json:"validation_regex"`
	ValidationMin       *int64            `json:"validation_min"`
	ValidationMax       *int64            `json:"validation_max"`
	ValidationMonotonic string            `json:"validation_monotonic"`
}

// ParameterOption is one of the values to choose from.
type ParameterOption struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Value       string `json:"value"`
}

// BuildParameter is the value of a parameter or variable.
type BuildParameter struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// RichParameters lists the parameters of a template version.
//
// GET /api/v2/templateversions/{version}/rich-parameters
func (c *Client) RichParameters(ctx context.Context, version uuid.UUID) ([]RichParameter, error) {
	var out []RichParameter
	err := c.get(ctx, "list the parameters of template version "+version.String(), api("templateversions", version.String(), "rich-parameters"), nil, &out)
	return out, err
}

// Preset is a named set of parameter values.
type Preset struct {
	ID         uuid.UUID `json:"id"`
	Name       string    `json:"name"`
	Default    bool      `json:"default"`
	Parameters []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"parameters"`
}

// Presets lists the presets of a template version. Servers before 2.22 have
// none.
//
// GET /api/v2/templateversions/{version}/presets
func (c *Client) Presets(ctx context.Context, version uuid.UUID) ([]Preset, error) {
	var out []Preset
	err := c.get(ctx, "list the presets of template version "+version.String(), api("templateversions", version.String(), "presets"), nil, &out)
	if IsUnsupported(err) {
		return nil, nil
	}
	return out, err
}
