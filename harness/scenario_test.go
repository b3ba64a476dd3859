package harness_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestScenarioNamesFitIntoThresholds(t *testing.T) {
	for name, ok := range map[string]bool{
		"terminals": true, "web-terminals_2": true, "2nd": true, strings.Repeat("x", 64): true,
		"": false, "Web": false, "a b": false, "a/b": false, "-a": false, "é": false, strings.Repeat("x", 65): false,
	} {
		s := harness.Scenario{Name: name, Runner: all(fake{}), Schedule: harness.AllAtOnce(1)}
		require.Equal(t, ok, s.Validate() == nil, name)
		got, err := harness.ParseThresholds(name + "/errors: count<1")
		if ok {
			require.NoError(t, err, name)
			require.Len(t, got[name], 1)
		} else {
			require.Error(t, err, name)
		}
	}
}

func TestScenarioReportsEverythingThatIsWrongWithItsName(t *testing.T) {
	err := harness.Scenario{Name: "x", SetupAtATime: -1, Schedule: harness.AllAtOnce(0)}.Validate()
	for _, want := range []string{`scenario "x"`, "SetupAtATime is negative", "there is no Runner", "0 users"} {
		require.ErrorContains(t, err, want)
	}
}
