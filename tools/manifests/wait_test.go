package manifests_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// kubectl plays one with two Jobs: "good" is complete and "bad" has failed. A condition
// that does not come is waited for until somebody kills it, and so is any of "slow".
const kubectl = `#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
*'wait job/good --for=condition=Complete '* | *'wait job/bad --for=condition=Failed '*) ;;
*'wait job/gone '*) echo 'jobs.batch "gone" not found' >&2; exit 1 ;;
*' wait '*) exec sleep 600 ;;
*'logs job/'*) echo "the log of $4" ;;
*'get job/good '*) echo 1 ;;
*'get job/bad '*) ;;
*) exit 1 ;;
esac
`

func TestAPipelineHearsOfAJobThatFailedAtOnceAndOfTheVerdict(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	script, err := filepath.Abs(kubernetes + "/wait.sh")
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		jobs []string
		code int
		says []string
	}{
		{"one that passes", []string{"good"}, 0, []string{"the log of job/good\n"}},
		{"one that fails", []string{"bad"}, 1, []string{"the log of job/bad\n", "wait.sh: the Job bad did not succeed in 5h"}},
		{"a cleanup after a verdict that is not pass", []string{"bad", "good"}, 1, []string{"the log of job/bad\n", "the log of job/good\n"}},
		{"a cleanup that fails", []string{"good", "bad"}, 1, []string{"the log of job/good\n", "the log of job/bad\n"}},
		{"one that is not there", []string{"gone"}, 1, []string{"not found", "the Job gone did not succeed"}},
		{"none", nil, 2, []string{"no Job is named"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "kubectl"), []byte(kubectl), 0o755))
			cmd := exec.CommandContext(t.Context(), bash, append([]string{script}, c.jobs...)...)
			cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "CALLS=" + filepath.Join(dir, "calls")}
			out, _ := cmd.CombinedOutput() // the code says it
			require.Equal(t, c.code, cmd.ProcessState.ExitCode(), string(out))
			for _, says := range c.says {
				require.Contains(t, string(out), says)
			}
			if len(c.jobs) > 0 {
				calls, err := os.ReadFile(filepath.Join(dir, "calls"))
				require.NoError(t, err)
				require.Contains(t, string(calls), "-n scaletest wait job/"+c.jobs[0]+" --for=condition=")
				require.Contains(t, string(calls), " --timeout=5h\n")
			}
		})
	}
}

func TestAPipelineGetsTheVerdictWhenThereIsOne(t *testing.T) {
	for _, components := range []string{"[%[1]s/components/ci, %[1]s/components/claim]", "[%[1]s/components/claim, %[1]s/components/ci]"} {
		objs, _ := kustomized(t, "resources: [%[1]s/base]\ncomponents: "+components+"\ntransformers: [%[1]s/shards]\n")
		args := objs.Job("scaletest-collector").Spec.Template.Spec.Containers[0].Args
		require.Contains(t, args, "-keep=0s")
		require.NotContains(t, args, "-keep=1h", "the verdict comes an hour late")
	}
}
