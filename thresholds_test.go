//go:build !scaletest

package scaletest

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestThresholdsOfTheEnvironmentReplaceThoseInTheCode(t *testing.T) {
	parse := func(text string) map[string][]harness.Threshold {
		m, err := harness.ParseThresholds(text)
		require.NoError(t, err)
		return m
	}
	texts := func(s harness.Scenario) (out []string) {
		for _, th := range s.Thresholds {
			out = append(out, th.String())
		}
		return out
	}
	inCode := []harness.Threshold{harness.Rate("errors").Below(0.5)}
	for range 20 { // the order of a map must not decide
		scenarios := []harness.Scenario{{Name: "terminals", Thresholds: inCode}, {Name: "ssh", Thresholds: inCode}}
		others := replaceThresholds(scenarios, parse("errors: rate<0.1%; terminals/echo: p(99)<1ms; app/errors: rate<1"))
		require.Equal(t, []string{"app"}, others)
		require.Equal(t, []string{"errors: rate<0.001", "echo: p(99)<1ms"}, texts(scenarios[0]))
		require.Equal(t, []string{"errors: rate<0.001"}, texts(scenarios[1]))
	}
	scenarios := []harness.Scenario{{Name: "terminals", Thresholds: inCode}, {Name: "ssh", Thresholds: inCode}}
	require.Empty(t, replaceThresholds(scenarios, parse("ssh/errors: rate<0.1%")))
	require.Equal(t, inCode, scenarios[0].Thresholds, "nobody spoke of this one")
}

// go test would repeat yesterday's pass, or the embedded deployment's when
// CODER_URL is set later.
func TestAPassIsNeverRepeatedFromTheCache(t *testing.T) {
	for range 2 {
		cmd := exec.Command("go", "test", "-tags", "scaletest", "-run", "^TestTerminals$", ".")
		cmd.Env = append(cmd.Environ(), "CODER_URL=", "CODER_SESSION_TOKEN=", prefix+"DRY_RUN=true")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "ok  ")
		require.NotContains(t, string(out), "(cached)")
	}
}
