package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"

	"github.com/coderscale/scaletest/tools/manifests"
)

func TestAKubeletExpandsOnlyWhatComesBefore(t *testing.T) {
	k := &kubelet{byHand: map[string]string{"s/key": "secret"}}
	from := func(src core.EnvVarSource) *core.EnvVarSource { return &src }
	env, err := k.environment(core.Container{Env: []core.EnvVar{
		{Name: "EARLY", Value: "$(INDEX)"},
		{Name: "INDEX", ValueFrom: from(core.EnvVarSource{FieldRef: &core.ObjectFieldSelector{FieldPath: "metadata.annotations['batch.kubernetes.io/job-completion-index']"}})},
		{Name: "UID", ValueFrom: from(core.EnvVarSource{FieldRef: &core.ObjectFieldSelector{FieldPath: "metadata.labels['batch.kubernetes.io/controller-uid']"}})},
		{Name: "LATE", Value: "/r/$(UID)/$(INDEX)"},
		{Name: "TOKEN", ValueFrom: from(core.EnvVarSource{SecretKeyRef: &core.SecretKeySelector{LocalObjectReference: core.LocalObjectReference{Name: "s"}, Key: "key"}})},
	}}, instance{name: "p", uid: "u", index: 3})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"EARLY": "$(INDEX)", "INDEX": "3", "UID": "u", "LATE": "/r/u/3", "TOKEN": "secret"}, env)
}

func TestWhatCannotBeRehearsedIsAnErrorAndNotLeftOut(t *testing.T) {
	k := &kubelet{}
	for says, src := range map[string]core.EnvVarSource{
		"can't be rehearsed":     {FieldRef: &core.ObjectFieldSelector{FieldPath: "spec.nodeName"}},
		"nobody has made s with": {SecretKeyRef: &core.SecretKeySelector{LocalObjectReference: core.LocalObjectReference{Name: "s"}, Key: "key"}},
		"nobody has made c with": {ConfigMapKeyRef: &core.ConfigMapKeySelector{LocalObjectReference: core.LocalObjectReference{Name: "c"}, Key: "key"}},
		"&ResourceFieldSelector{ContainerName:,Resource:limits.cpu": {ResourceFieldRef: &core.ResourceFieldSelector{Resource: "limits.cpu"}},
	} {
		_, err := k.environment(core.Container{Env: []core.EnvVar{{Name: "X", ValueFrom: &src}}}, instance{})
		require.ErrorContains(t, err, says)
	}
	_, err := k.mounts(core.PodSpec{}, core.Container{VolumeMounts: []core.VolumeMount{{Name: "v"}}}, t.TempDir())
	require.ErrorContains(t, err, "there is no volume v")
	_, err = k.mounts(core.PodSpec{Volumes: []core.Volume{{Name: "v"}}}, core.Container{VolumeMounts: []core.VolumeMount{{Name: "v"}}}, t.TempDir())
	require.ErrorContains(t, err, "of a kind that can't be rehearsed")
}

func TestPathsAndAddressesAreThoseOfThisMachine(t *testing.T) {
	k := &kubelet{cluster: map[string]string{"http://there:1": "http://127.0.0.1:2"}}
	mounts := map[string]string{"/tmp": "/here", "/tmp/scaletest": "/claim", "/results": "/kept"}
	for from, to := range map[string]string{
		"/tmp": "/here", "/tmp/x": "/here/x", "/tmp/scaletest/shards/0": "/claim/shards/0", "/tmp/scaletests": "/here/scaletests",
		"-o=/results/pod": "-o=/kept/pod", "/tmpfs": "/tmpfs", "-listen=:1": "-listen=:1", "http://there:1/x": "http://127.0.0.1:2/x", "-test.v": "-test.v",
	} {
		require.Equal(t, to, k.here(from, mounts), from)
	}
}

func TestTheAPIServerTellsOneJobToOneAccount(t *testing.T) {
	objs, _, err := manifests.Build("testdata/collector")
	require.NoError(t, err)
	a, err := serveAPI(t.TempDir(), objs.Load())
	require.NoError(t, err)
	defer a.Close()
	ask := func(path, with string) (int, string) {
		req, err := http.NewRequest(http.MethodGet, a.URL+path, http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Authorization", with)
		resp, err := a.Client().Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		var text strings.Builder
		require.NoError(t, resp.Write(&text))
		return resp.StatusCode, text.String()
	}
	const job = "/apis/batch/v1/namespaces/scaletest/jobs/scaletest"
	code, _ := ask(job, "Bearer other")
	require.Equal(t, http.StatusUnauthorized, code)
	code, _ = ask(job+"s", "Bearer "+token)
	require.Equal(t, http.StatusForbidden, code)
	for i := range 3 {
		code, text := ask(job, "Bearer "+token)
		require.Equal(t, http.StatusOK, code)
		require.Contains(t, text, `"terminating":0`)
		require.NotContains(t, text, "conditions")
		a.ended(i, i != 1)
	}
	_, text := ask(job, "Bearer "+token)
	require.Contains(t, text, `{"type":"Failed","status":"True"`)
	first := string(a.job.UID)
	require.NotEqual(t, first, a.apply(objs.Load()))
	_, text = ask(job, "Bearer "+token)
	require.NotContains(t, text, first)
	require.NotContains(t, text, "conditions", "another run begins where the one before has ended")
}

func TestAResultIsHeldToItsVerdictShardsAndUsers(t *testing.T) {
	var r result
	r.Verdict, r.Shards = "pass", make([]struct{}, 2)
	r.Scenarios = append(r.Scenarios, struct {
		Name  string `json:"name"`
		Users int    `json:"users"`
	}{"terminals", 31})
	require.NoError(t, r.is("pass", 2, 31))
	require.Error(t, r.is("invalid", 2, 31))
	require.Error(t, r.is("pass", 3, 31))
	require.Error(t, r.is("pass", 2, 30))
	_, err := readResult(t.TempDir(), "*.json")
	require.ErrorContains(t, err, "there are 0 files *.json, want one")
}
