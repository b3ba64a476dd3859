package codertest

import (
	"encoding/json"
	"net/http"
	"strings"
)

// dynamicJSON is what a form of parameters is drawn from.
type dynamicJSON struct {
	ID          int                `json:"id"`
	Diagnostics []diagnosticJSON   `json:"diagnostics"`
	Parameters  []dynamicParamJSON `json:"parameters"`
}

type dynamicParamJSON struct {
	Name         string           `json:"name"`
	DisplayName  string           `json:"display_name"`
	Description  string           `json:"description"`
	Type         string           `json:"type"`
	FormType     string           `json:"form_type"`
	Styling      struct{}         `json:"styling"`
	Mutable      bool             `json:"mutable"`
	DefaultValue nullableJSON     `json:"default_value"`
	Icon         string           `json:"icon"`
	Options      []dynamicOption  `json:"options"`
	Validations  []validationJSON `json:"validations"`
	Required     bool             `json:"required"`
	Order        int              `json:"order"`
	Ephemeral    bool             `json:"ephemeral"`
	Value        nullableJSON     `json:"value"`
	Diagnostics  []diagnosticJSON `json:"diagnostics"`
}

type nullableJSON struct {
	Value string `json:"value"`
	Valid bool   `json:"valid"`
}

type dynamicOption struct {
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Value       nullableJSON `json:"value"`
	Icon        string       `json:"icon"`
}

type validationJSON struct {
	Error     string  `json:"validation_error"`
	Regex     *string `json:"validation_regex"`
	Min       *int    `json:"validation_min"`
	Max       *int    `json:"validation_max"`
	Monotonic *string `json:"validation_monotonic"`
}

type diagnosticJSON struct {
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail"`
	Extra    struct {
		Code string `json:"code"`
	} `json:"extra"`
}

// dynamicInput is what has been filled in.
type dynamicInput struct {
	ID     int               `json:"id"`
	Inputs map[string]string `json:"inputs"`
}

// invalidValue is what is said first of a value that breaks a rule.
const invalidValue = "Invalid parameter value according to 'validation' block"

// evaluate says what the form looks like with these inputs.
func (v *version) evaluate(id int, inputs map[string]string) dynamicJSON {
	out := dynamicJSON{ID: id, Diagnostics: []diagnosticJSON{}, Parameters: []dynamicParamJSON{}}
	for i, p := range v.parameters {
		d := dynamicParamJSON{
			Name: p.Name, DisplayName: p.DisplayName, Description: p.Description, Type: p.Type, FormType: p.FormType,
			Mutable: p.Mutable, DefaultValue: nullableJSON{p.DefaultValue, !p.Required}, Icon: p.Icon,
			Options: []dynamicOption{}, Validations: []validationJSON{}, Required: p.Required, Order: i + 1,
			Value: nullableJSON{p.DefaultValue, !p.Required}, Diagnostics: []diagnosticJSON{},
		}
		for _, o := range p.Options {
			d.Options = append(d.Options, dynamicOption{o.Name, o.Description, nullableJSON{o.Value, true}, o.Icon})
		}
		if p.ValidationRegex != "" || p.ValidationMin != nil || p.ValidationMax != nil {
			rule := validationJSON{Error: p.ValidationError, Min: p.ValidationMin, Max: p.ValidationMax}
			if p.ValidationRegex != "" {
				rule.Regex = &p.ValidationRegex
			}
			d.Validations = append(d.Validations, rule)
		}
		problem := ""
		if value, given := inputs[p.Name]; given {
			d.Value = nullableJSON{value, true}
			problem = p.problem(value)
		} else if p.Required {
			problem = "Required parameter not provided"
		}
		if problem != "" {
			d.Diagnostics = append(d.Diagnostics, diagnosticJSON{
				Severity: "error", Summary: invalidValue, Detail: strings.TrimPrefix(problem, invalidValue+"; ")})
		}
		out.Parameters = append(out.Parameters, d)
	}
	return out
}

func (s *Server) dynamicParameterRoutes() {
	const at = " /api/v2/templateversions/{version}/dynamic-parameters"
	s.private("POST"+at+"/evaluate", func(c *call) (int, any) {
		var in dynamicInput
		if e := read(c, &in); e != nil {
			return http.StatusBadRequest, e
		}
		return withVersion(func(_ *call, v *version) (int, any) {
			return http.StatusOK, v.evaluate(0, in.Inputs)
		})(c)
	})
	s.private("GET"+at, followParameters)
}

// followParameters answers each input of a form with what it looks like then.
func followParameters(c *call) (int, any) {
	var found *version
	status, body := withVersion(func(_ *call, v *version) (int, any) {
		found = v
		return http.StatusOK, nil
	})(c)
	if found == nil {
		return status, body
	}
	st := c.listeningStream()
	if st == nil {
		return handled, nil
	}
	in := dynamicInput{ID: -1}
	for {
		c.s.state.mu.RLock()
		out := found.evaluate(in.ID, in.Inputs)
		c.s.state.mu.RUnlock()
		st.sendFragmented(out)
		select {
		case data := <-st.inbox:
			in = dynamicInput{}
			if err := json.Unmarshal(data, &in); err != nil {
				st.close(1003, "invalid JSON")
				return handled, nil
			}
		case <-st.ctx.Done():
			return handled, nil
		}
	}
}
