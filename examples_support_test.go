package scaletest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/coderscale/scaletest/coder/codertest"
)

// exampleT stands for a *testing.T, which examples don't have. It is all that
// Connect and Run need of one.
type exampleT struct {
	ctx      context.Context
	cancel   context.CancelFunc
	cleanups []func()
}

// newT also hides the environment, so that no example ever loads somebody's
// deployment.
func newT() *exampleT {
	t := &exampleT{}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	folder, err := os.MkdirTemp("", "example-")
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	for _, kv := range os.Environ() {
		if name, value, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "CODER_") {
			_ = os.Unsetenv(name)
			t.Cleanup(func() { _ = os.Setenv(name, value) })
		}
	}
	const artifacts = "CODER_SCALETEST_ARTIFACTS"
	_ = os.Setenv(artifacts, folder)
	t.Cleanup(func() { _ = os.Unsetenv(artifacts) })
	return t
}

// end does what the end of a test does.
func (t *exampleT) end() {
	t.cancel()
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}

func (t *exampleT) Helper()                        {}
func (t *exampleT) Name() string                   { return "Example" }
func (t *exampleT) Context() context.Context       { return t.ctx }
func (t *exampleT) Cleanup(f func())               { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Logf(string, ...any)            {} // what a run prints while it runs
func (t *exampleT) Errorf(format string, a ...any) { fmt.Printf(format+"\n", a...) }
func (t *exampleT) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }
func (t *exampleT) Skipf(format string, a ...any)  { panic(fmt.Sprintf(format, a...)) }

// newSDKClient makes what somebody holds already.
func newSDKClient(t *exampleT) *sdkClient {
	deployment, err := codertest.New(codertest.Config{Workspaces: 3})
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(deployment.Close)
	address, err := url.Parse(deployment.URL())
	if err != nil {
		t.Fatalf("%v", err)
	}
	return &sdkClient{URL: address, HTTPClient: &http.Client{}, token: deployment.OwnerToken()}
}
