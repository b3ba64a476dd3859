package scenario_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/scenario"
)

func nan() float64 { return math.NaN() }

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

const replaying = `scenarios:
  - {name: a, kind: api, schedule: {kind: replay_arrivals, file: a.txt}, calls: [{path: /}]}
  - {name: b, kind: api, schedule: {kind: replay_arrivals, file: b.txt}, calls: [{path: /}]}
`

func TestRecordedArrivalsAreReadBesideTheScenarioFile(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "f.yaml", replaying)
	write(t, dir, "a.txt", "# seconds\n0\n1.5\n1500ms\n2s\n")
	write(t, dir, "b.txt", "7\n")
	f, err := scenario.Read(path)
	require.NoError(t, err)
	second := scenario.Duration(time.Second)
	require.Equal(t, []scenario.Duration{0, second * 3 / 2, second * 3 / 2, 2 * second}, f.Scenarios[0].Schedule.Offsets)
	require.Empty(t, f.Scenarios[0].Schedule.File, "what is read is the same as a program's")
	require.NoError(t, f.Validate())
	require.Equal(t, 7*time.Second, f.Length())
}

func TestRecordedArrivalsThatCantBeReadAreSaidAllAtOnce(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "b.txt", "2s\n1s\n")
	_, err := scenario.Read(write(t, dir, "f.yaml", replaying+"  - {kind: watch}\n"))
	require.ErrorIs(t, err, os.ErrNotExist)
	for _, want := range []string{
		"scenario 1 (a): schedule: read the recorded arrivals: stat " + filepath.Join(dir, "a.txt"),
		"scenario 2 (b): schedule: read the recorded arrivals of " + filepath.Join(dir, "b.txt"), "line 2", "scenario 3 (watch): there is no duration",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "not read", "it is said twice")

	require.NoError(t, os.Mkdir(filepath.Join(dir, "a.txt"), 0o700))
	_, err = scenario.Read(filepath.Join(dir, "f.yaml"))
	require.ErrorContains(t, err, "want a plain file")
}

func TestTextAloneReadsNoFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.txt", "1\n")
	_, err := scenario.Parse([]byte(`scenarios: [{kind: api, schedule: {kind: replay_arrivals, file: "` + filepath.Join(dir, "a.txt") + `"}, calls: [{path: /}]}]`))
	require.ErrorContains(t, err, "only a scenario file that is read from disk has others beside itself")
}
