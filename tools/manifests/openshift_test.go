package manifests_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/tools/manifests"
)

// numbered are the fields that OpenShift refuses.
var numbered = regexp.MustCompile(`runAsUser|runAsGroup|fsGroup`)

// kustomized builds a kustomization of lines in which %[1]s is the folder kubernetes.
func kustomized(t *testing.T, lines string) (manifests.Objects, string) {
	t.Helper()
	dir := t.TempDir()
	base, err := filepath.Abs(kubernetes)
	require.NoError(t, err)
	rel, err := filepath.Rel(dir, base)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(dir+"/kustomization.yaml", fmt.Appendf(nil, lines, rel), 0o600))
	objs, text, err := manifests.Build(dir)
	require.NoError(t, err)
	return objs, string(text)
}

func TestOpenShiftGivesUsersToEveryJobWhateverComponentsThereAreAndInWhateverOrder(t *testing.T) {
	transformers := []string{"[%[1]s/openshift, %[1]s/shards]", "[%[1]s/shards, %[1]s/openshift]"}
	for i, components := range []string{
		"[%[1]s/components/volume, %[1]s/components/monitoring]",
		"[%[1]s/components/monitoring, %[1]s/components/volume]",
		"[%[1]s/components/claim, %[1]s/components/monitoring]",
		"[%[1]s/components/monitoring, %[1]s/components/claim]",
	} {
		for _, resource := range []string{"base", "overlays/openshift"} { // which has done it once
			objs, text := kustomized(t, "resources: [%[1]s/"+resource+"]\ntransformers: "+transformers[i%2]+"\ncomponents: "+components+"\n")
			require.Empty(t, manifests.Check(objs, known(t)))
			require.NotRegexp(t, numbered, text, "%s with %s", resource, components)
			require.Contains(t, text, "runAsNonRoot: true")
		}
	}
}

func TestGuideMakesThePodThatLooksAtResultsOneThatOpenShiftTakes(t *testing.T) {
	guide, err := os.ReadFile(kubernetes + "/README.md")
	require.NoError(t, err)
	line := regexp.MustCompile(`(?m)^    (grep -v .* deploy/kubernetes/results\.yaml) \| kubectl apply -f -$`).FindSubmatch(guide)
	require.NotNil(t, line, "the guide does not say how")
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	cmd := exec.CommandContext(t.Context(), sh, "-c", string(line[1]))
	cmd.Dir = root
	pod, err := cmd.Output()
	require.NoError(t, err)
	require.NotRegexp(t, numbered, string(pod))
	_, text := kustomized(t, "resources: [%[1]s/base]\ncomponents: [%[1]s/components/volume]\ntransformers: [%[1]s/shards, %[1]s/openshift]\n")
	objs, err := manifests.Decode([]byte(text + "---\n" + string(pod)))
	require.NoError(t, err)
	require.Empty(t, manifests.Check(objs, known(t)))
}
