package codertest

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAWorkspaceIsNotMadeOfBadParameters(t *testing.T) {
	low, high := 1, 5
	s := Start(t, Config{RateLimit: -1, BuildTime: Fixed(time.Millisecond), Parameters: []Parameter{
		{Name: "word", Regex: "^[a-z]+$", Error: "must be letters", Default: "a"},
		{Name: "count", Type: "number", Min: &low, Max: &high, Default: "1", Mutable: true},
		{Name: "upper", Type: "number", Max: &high, Error: "{value} is above {max}", Default: "1"},
		{Name: "yes", Type: "bool", Default: "true"},
		{Name: "size", Options: []string{"s", "l"}, Default: "s"},
		{Name: "must", Required: true},
	}})
	create := func(name, values string) answer {
		return ask(t, s, s.OwnerToken(), "POST", "/api/v2/users/me/workspaces",
			`{"name":"`+name+`","template_id":"`+templateID(t, s)+`","rich_parameter_values":[`+values+`]}`)
	}
	const must = `{"name":"must","value":"x"}`
	create("w", "").says(t, http.StatusBadRequest, `"field":"must","detail":"Required parameter not provided`)
	for value, says := range map[string]string{
		`{"name":"word","value":"A"}`:    "must be letters (value \\\"A\\\" does not match",
		`{"name":"count","value":"6"}`:   "value 6 is not between 1 and 5",
		`{"name":"count","value":"x"}`:   "is not a number",
		`{"name":"upper","value":"6"}`:   "6 is above 5",
		`{"name":"yes","value":"maybe"}`: "is not a valid bool",
		`{"name":"size","value":"xl"}`:   "must be defined as one of options",
	} {
		a := create("w", must+","+value)
		a.says(t, http.StatusBadRequest, "Unable to validate parameters")
		a.says(t, http.StatusBadRequest, says)
	}
	var w seenWorkspace
	create("w", must+`,{"name":"count","value":"2"},{"name":"unknown","value":"2"}`).into(t, http.StatusCreated, &w)
	ended(t, s, w.Build.ID)
	var values []parameterValue
	at := "/api/v2/workspacebuilds/" + w.Build.ID.String() + "/parameters"
	ask(t, s, s.OwnerToken(), "GET", at, "").into(t, http.StatusOK, &values)
	require.Equal(t, []parameterValue{{"word", "a"}, {"count", "2"}, {"upper", "1"}, {"yes", "true"}, {"size", "s"}, {"must", "x"}}, values)
	build := func(value string) answer {
		return ask(t, s, s.OwnerToken(), "POST", "/api/v2/workspaces/"+w.ID.String()+"/builds", `{"transition":"stop","rich_parameter_values":[`+value+`]}`)
	}
	build(`{"name":"size","value":"l"}`).says(t, http.StatusBadRequest, "is not mutable")
	require.Equal(t, http.StatusCreated, build(`{"name":"count","value":"3"}`).status)
}

func TestAnEmptyListOfParametersMeansNone(t *testing.T) {
	require.Len(t, Config{}.parameters(), 3)
	require.Empty(t, Config{Parameters: []Parameter{}}.parameters())
}

func TestMistakesOfParametersAreReported(t *testing.T) {
	one := 1
	err := Config{Parameters: []Parameter{
		{}, {Name: "a", Type: "x"}, {Name: "a", Regex: "("}, {Name: "b", Min: &one}, {Name: "c", Required: true, Default: "x"},
		{Name: "d", Type: "number", Default: "x"}, {Name: "e", Options: []string{"f"}, Default: "g"}, {Name: "ok"},
	}}.Validate()
	for _, want := range []string{
		"Parameters[0]: Name is missing", `Parameters[1]: Type is "x"`, "Parameters[2]: Regex: ", `Parameters[2]: there is another one named "a"`,
		"Parameters[3]: Min and Max are for numbers", `Parameters[4]: Default is "x", but the parameter is required`,
		"Parameters[5]: Default: ", "Parameters[6]: Default: ",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "Parameters[7]")
}
