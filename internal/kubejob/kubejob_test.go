package kubejob_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coderscale/scaletest/internal/kubejob"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is the answer of an API server of version 1.34, shortened.
const running = `{"kind":"Job","apiVersion":"batch/v1","metadata":{"name":"scaletest","namespace":"scaletest",
"uid":"4f4c1c1e-6f0a-4a39-9d0c-0d6d2f0a8a11","labels":{"app.kubernetes.io/name":"scaletest"}},
"spec":{"parallelism":2,"completions":2,"completionMode":"Indexed","backoffLimitPerIndex":0,
"template":{"metadata":{},"spec":{"containers":[{"name":"shard"}],"restartPolicy":"Never","terminationGracePeriodSeconds":900}}},
"status":{"startTime":"2026-03-01T10:00:00Z","active":2,"terminating":0,"ready":2,"uncountedTerminatedPods":{}}}`

// complete is the same, later.
const complete = `{"kind":"Job","apiVersion":"batch/v1","metadata":{"name":"scaletest","namespace":"scaletest",
"uid":"4f4c1c1e-6f0a-4a39-9d0c-0d6d2f0a8a11"},
"spec":{"template":{"spec":{"terminationGracePeriodSeconds":900}}},
"status":{"conditions":[{"type":"SuccessCriteriaMet","status":"True","reason":"CompletionsReached"},
{"type":"Complete","status":"True","reason":"CompletionsReached"}],"succeeded":2,"terminating":0,"completedIndexes":"0,1"}}`

const forbidden = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",
"message":"jobs.batch \"scaletest\" is forbidden: User \"system:serviceaccount:scaletest:default\" cannot get resource \"jobs\" in API group \"batch\" in the namespace \"scaletest\"",
"reason":"Forbidden","details":{"name":"scaletest","group":"batch","kind":"jobs"},"code":403}`

// cluster plays an API server, and makes the folder that a pod finds.
func cluster(t *testing.T, h http.HandlerFunc) (env func(string) string, dir string) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	dir = t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	for name, text := range map[string]string{"ca.crt": string(ca), "token": "first\n", "namespace": "scaletest"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	vars := map[string]string{"KUBERNETES_SERVICE_HOST": u.Hostname(), "KUBERNETES_SERVICE_PORT": u.Port()}
	return func(name string) string { return vars[name] }, dir
}

func TestOutsideAClusterEverythingThatIsMissingIsSaid(t *testing.T) {
	_, err := kubejob.InCluster(func(string) string { return "" }, filepath.Join(t.TempDir(), "none"))
	require.ErrorContains(t, err, "find the Kubernetes API: ")
	for _, what := range []string{"KUBERNETES_SERVICE_HOST", "none/namespace", "none/ca.crt", "none/token", "automountServiceAccountToken"} {
		require.ErrorContains(t, err, what)
	}
}

func TestACertificateThatIsNoneIsRefusedAtOnce(t *testing.T) {
	env, dir := cluster(t, func(http.ResponseWriter, *http.Request) {})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ca.crt"), []byte("nothing"), 0o600))
	_, err := kubejob.InCluster(env, dir)
	require.ErrorContains(t, err, "ca.crt holds no certificate")
}

func TestAServerOfAnotherAuthorityIsNotGivenTheToken(t *testing.T) {
	var asked atomic.Int32
	env, _ := cluster(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	_, dir := cluster(t, nil)
	// The certificate of httptest is always the same, so this one is of nobody known.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ca.crt"), []byte(unknownAuthority), 0o600))
	c, err := kubejob.InCluster(env, dir)
	require.NoError(t, err)
	defer c.Close()
	var said []string
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err = c.Wait(ctx, "scaletest", kubejob.WaitOptions{Every: time.Millisecond, Say: func(s string) { said = append(said, s); cancel() }})
	require.ErrorContains(t, err, "stopped before it was over")
	require.Contains(t, said[0], "certificate")
	require.Zero(t, asked.Load())
}

func TestTheJobIsAskedForWithTheTokenOfNow(t *testing.T) {
	var dir string
	var n int
	env, dir := cluster(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		require.Equal(t, "GET /apis/batch/v1/namespaces/scaletest/jobs/scaletest", r.Method+" "+r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		switch n {
		case 1:
			require.Equal(t, "Bearer first", r.Header.Get("Authorization"))
			fmt.Fprint(w, running)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "token"), []byte("second"), 0o600))
		case 2:
			require.Equal(t, "Bearer second", r.Header.Get("Authorization"))
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, "etcd is away")
		default:
			fmt.Fprint(w, complete)
		}
	})
	c, err := kubejob.InCluster(env, dir)
	require.NoError(t, err)
	defer c.Close()
	var said []string
	job, err := c.Wait(t.Context(), "scaletest", kubejob.WaitOptions{Every: time.Millisecond, Say: func(s string) { said = append(said, s) }})
	require.NoError(t, err)
	require.Equal(t, kubejob.Job{
		Namespace: "scaletest", Name: "scaletest", UID: "4f4c1c1e-6f0a-4a39-9d0c-0d6d2f0a8a11",
		End: kubejob.Complete, Reason: "CompletionsReached", Grace: 15 * time.Minute,
	}, job)
	require.Equal(t, []string{
		"Job scaletest/scaletest is running (UID 4f4c1c1e-6f0a-4a39-9d0c-0d6d2f0a8a11)",
		"asking for Job scaletest/scaletest again: 500 Internal Server Error",
		"Job scaletest/scaletest is complete",
	}, said)
}

func TestAMissingRoleIsAnErrorThatNamesIt(t *testing.T) {
	env, dir := cluster(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, forbidden)
	})
	c, err := kubejob.InCluster(env, dir)
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Wait(t.Context(), "scaletest", kubejob.WaitOptions{Every: time.Millisecond, Forbidden: time.Nanosecond})
	require.ErrorContains(t, err, `403 jobs.batch "scaletest" is forbidden`)
	require.ErrorContains(t, err, "Role with the verb get on jobs")
	require.False(t, strings.Contains(err.Error(), "first"), "the token is in it")
}

// unknownAuthority is a certificate that was made for this test, and its key thrown
// away.
const unknownAuthority = `-----BEGIN CERTIFICATE-----
MIIBeDCCAR+gAwIBAgIUMEKkOavpMnuIE6VoPybLc+u5n54wCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGbm9ib2R5MCAXDTI2MTEyNTEwNDExMloYDzIxMjYxMTAxMTA0
MTEyWjARMQ8wDQYDVQQDDAZub2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAQmY7KIQrN7eGkmN/fcXyOP7fFYcARmw8M/zRwT6adEi+PqqRYjcVMMl87xbSll
zm7P+O+erQ39J/GmnWQXCZhto1MwUTAdBgNVHQ4EFgQUOnIP8xVt1Qn8NLzhgVxA
UU4n/bcwHwYDVR0jBBgwFoAUOnIP8xVt1Qn8NLzhgVxAUU4n/bcwDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiAWBPeIUYAHGJgC/T+SXqZQyGZlU+pP
ByntD+FZa3tcjQIgScZYRnUIJPGCI15aG39snF+0iyfr+KPD0qtaG8o9r8w=
-----END CERTIFICATE-----`
