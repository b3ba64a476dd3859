package manifests_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/tools/manifests"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	root       = "../.."
	kubernetes = root + "/deploy/kubernetes"
)

// facts are read once, because the tool is built for them. The flags of a test binary
// are those of this one.
var facts = sync.OnceValues(func() (manifests.Facts, error) {
	flags := map[string]bool{}
	flag.VisitAll(func(f *flag.Flag) { flags[f.Name] = true })
	return manifests.ReadFacts(root, flags)
})

func known(t *testing.T) manifests.Facts {
	t.Helper()
	f, err := facts()
	require.NoError(t, err)
	return f
}

// overlays are the base, those of the folder, and what people build with components
// that no overlay has.
func overlays(t *testing.T) map[string]string {
	t.Helper()
	dirs := map[string]string{"base": kubernetes + "/base", "coderd": "testdata/coderd", "everything": "testdata/everything"}
	found, err := filepath.Glob(kubernetes + "/overlays/*")
	require.NoError(t, err)
	require.NotEmpty(t, found)
	for _, dir := range found {
		dirs[filepath.Base(dir)] = dir
	}
	return dirs
}

// dashboard is a line that is a dashboard, and not for a golden file.
var dashboard = regexp.MustCompile(`(?m)^  ([a-z-]+\.json): \|\n(?:    .*\n|\n)+`)

func TestEveryOverlayIsAsItsGoldenFileAndAsItHasToBe(t *testing.T) {
	for name, dir := range overlays(t) {
		t.Run(name, func(t *testing.T) {
			objs, text, err := manifests.Build(dir)
			require.NoError(t, err)
			require.Empty(t, manifests.Check(objs, known(t)))

			got := dashboard.ReplaceAllString(string(text), "  $1: (a dashboard)\n")
			golden := filepath.Join("testdata", name+".yaml")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err, "write it with -update")
			require.Equal(t, string(want), got, "write it with -update, if it is meant to be so")
		})
	}
}

func TestEveryComponentIsInAnOverlayThatIsChecked(t *testing.T) {
	components, err := filepath.Glob(kubernetes + "/components/*")
	require.NoError(t, err)
	require.NotEmpty(t, components)
	var all strings.Builder
	for _, dir := range overlays(t) {
		text, err := os.ReadFile(dir + "/kustomization.yaml")
		require.NoError(t, err)
		all.Write(text)
	}
	for _, c := range components {
		require.Contains(t, all.String(), "components/"+filepath.Base(c)+"\n")
	}
}

// TestWhatIsAppliedByItselfIsAsItHasToBe is about the files that no kustomization has.
func TestWhatIsAppliedByItselfIsAsItHasToBe(t *testing.T) {
	namespace, err := os.ReadFile(kubernetes + "/namespace.yaml")
	require.NoError(t, err)
	_, err = manifests.Decode(namespace)
	require.NoError(t, err)
	reader, err := os.ReadFile(kubernetes + "/results.yaml")
	require.NoError(t, err)
	require.NotContains(t, string(reader), "readOnly: true", "nobody can delete old results")
	for _, overlay := range []string{"claim", "volume"} { // which have its volume
		_, text, err := manifests.Build(kubernetes + "/overlays/" + overlay)
		require.NoError(t, err)
		objs, err := manifests.Decode([]byte(string(text) + "---\n" + string(reader)))
		require.NoError(t, err)
		require.Empty(t, manifests.Check(objs, known(t)))
	}
}

func TestNumberOfShardsIsSaidOnce(t *testing.T) {
	objs, text := kustomized(t, `
resources: [%[1]s/base]
patches:
  - target: {kind: Job, name: scaletest}
    patch: |-
      - {op: replace, path: /spec/completions, value: 37}
transformers: [%[1]s/shards]
`)
	require.Empty(t, manifests.Check(objs, known(t)))
	require.Equal(t, 4, strings.Count(text, "37"))
	require.Contains(t, text, `value: "37"`)
}

func TestGuideNamesFilesThatThereAre(t *testing.T) {
	guide, err := os.ReadFile(kubernetes + "/README.md")
	require.NoError(t, err)
	paths := regexp.MustCompile(`\]\(([^)#]+)[^)]*\)|-[fk] (deploy/\S+)`).FindAllStringSubmatch(string(guide), -1)
	require.Greater(t, len(paths), 10)
	for _, m := range paths {
		path := kubernetes + "/" + m[1]
		if m[2] != "" {
			path = root + "/" + m[2]
		}
		if strings.HasSuffix(path, "overlays/mine") {
			continue // the reader's own
		}
		require.FileExists(t, strings.TrimSuffix(path, "/")+map[bool]string{true: "/kustomization.yaml"}[filepath.Ext(path) == "" && !strings.HasSuffix(path, "Dockerfile")])
	}
}

// Arguments are seen by every process of the machine.
func TestGuideGivesNoSecretAsAnArgument(t *testing.T) {
	guide, err := os.ReadFile(kubernetes + "/README.md")
	require.NoError(t, err)
	require.Contains(t, string(guide), "coder tokens create")
	for line := range strings.Lines(string(guide)) {
		if strings.Contains(line, "coder tokens create") {
			require.Regexp(t, `^    printf '[A-Z_]+=%s\\n' "\$\(coder tokens create [^)]*\)" \| `, line, "printf is of the shell itself, and whatever else is a process")
		}
		require.NotRegexp(t, `--from-literal=\S*(?i:token|secret|password)`, line)
	}
}

func TestGuideFollowsTheLogsOfManyShards(t *testing.T) {
	guide, err := os.ReadFile(kubernetes + "/README.md")
	require.NoError(t, err)
	follows := regexp.MustCompile(`logs -f -l .*`).FindAllString(string(guide), -1)
	require.NotEmpty(t, follows)
	for _, line := range follows {
		require.Regexp(t, `--max-log-requests=\d{3,}`, line, "kubectl refuses to follow more than five")
	}
}

func TestGuidesNameVariablesThatThereAre(t *testing.T) {
	for _, guide := range []string{kubernetes + "/README.md", root + "/deploy/templates/README.md"} {
		text, err := os.ReadFile(guide)
		require.NoError(t, err)
		names := regexp.MustCompile(`CODER_[A-Z_]*[A-Z]\b`).FindAllString(string(text), -1)
		require.NotEmpty(t, names)
		for _, name := range names {
			require.True(t, known(t).Variables[name], "%s: nobody reads %s", guide, name)
		}
	}
}
