package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coderscale/scaletest/internal/trafficapps"
)

func TestMain(m *testing.M) {
	if os.Getenv("SCALETEST_APPS_CHILD") != "" { // this program as a process of its own
		main()
	}
	goleak.VerifyTestMain(m)
}

// ports are free ones, for all three apps, and the flags for them.
func ports(t *testing.T) (numbers, flags []string) {
	t.Helper()
	for _, app := range trafficapps.All() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		_, port, err := net.SplitHostPort(l.Addr().String())
		require.NoError(t, err)
		require.NoError(t, l.Close())
		numbers, flags = append(numbers, port), append(flags, "-"+app.Slug, port)
	}
	return numbers, slices.Clip(flags) // tests append to them at the same time
}

func do(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, &o, &e)
	return code, o.String(), e.String()
}

func TestWaitingForAppsThatNobodyStartsEnds(t *testing.T) {
	_, flags := ports(t)
	code, _, errs := do(t, append(flags, "-wait", "200ms")...)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "app wsec is not there after 200ms: ")
	require.Contains(t, errs, "see the log of scaletest-apps")
}

func TestAPortThatIsTakenIsNamedAndTheOthersAreLetGo(t *testing.T) {
	numbers, flags := ports(t)
	l, err := net.Listen("tcp", "127.0.0.1:"+numbers[2])
	require.NoError(t, err)
	defer l.Close()
	code, _, errs := do(t, flags...)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "app wsdi: listen tcp 127.0.0.1:"+numbers[2])
	require.Contains(t, errs, "give -wsdi and the template another")
	again, err := net.Listen("tcp", "127.0.0.1:"+numbers[0])
	require.NoError(t, err, "the ports of the others are still taken")
	require.NoError(t, again.Close())
}

func TestFlagsThatMakeNoSenseAreAllNamed(t *testing.T) {
	code, _, errs := do(t, "-wsec", "1", "-wsra", "1", "-wsdi", "70000", "-rate", "-1", "-wait", "-1s", "x", "y")
	require.Equal(t, 2, code)
	for _, want := range []string{
		`there is "x y" on the command line, want flags only`, "-wsra is 1, which is the port of wsec: want another",
		"-wsdi is 70000, want a port from 1 to 65535", "app wsra: the rate is -1 bytes a second", "-wait is -1s, want more than 0",
	} {
		require.Contains(t, errs, want)
	}
	code, _, errs = do(t, "-wsec", "0", "-wsra", "0", "-wsdi", "0")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "every app is left out")
	code, _, errs = do(t, "-help")
	require.Zero(t, code)
	for _, app := range trafficapps.All() {
		require.Contains(t, errs, "the port of "+app.Slug)
		require.Contains(t, errs, "default "+strconv.Itoa(int(app.Port)))
	}
}

func TestAGreedyItemIsFourKibibytesAndNeverTheSame(t *testing.T) {
	seen := map[string]bool{}
	for range 16 {
		code, out, errs := do(t, "-greedy-item")
		require.Zero(t, code, errs)
		require.Len(t, out, 4096)
		b, err := base64.StdEncoding.DecodeString(out)
		require.NoError(t, err)
		require.Len(t, b, 3072)
		require.False(t, seen[out])
		seen[out] = true
	}
	var errs bytes.Buffer
	require.Equal(t, 1, run(t.Context(), []string{"-greedy-item"}, broken{}, &errs))
	require.Contains(t, errs.String(), "print the metadata value: nobody listens")
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("nobody listens") }

func TestTheAppsServeUntilTheyAreTold(t *testing.T) {
	numbers, flags := ports(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, errs bytes.Buffer
	var running, clients sync.WaitGroup
	code := -1
	running.Go(func() { code = run(ctx, append(flags, "-rate", "100000"), &out, &errs) })
	waited, _, why := do(t, append(flags, "-wait", "60s")...)
	require.Zero(t, waited, why)
	codes := make([]int, len(numbers))
	for i, number := range numbers {
		c, resp, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://127.0.0.1:"+number+"/", nil)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.NoError(t, c.WriteMessage(websocket.BinaryMessage, []byte("hello")))
		if trafficapps.All()[i].Slug != trafficapps.Discard {
			_, b, err := c.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, trafficapps.All()[i].Slug == trafficapps.Echo, string(b) == "hello")
		}
		clients.Go(func() {
			defer c.Close()
			for {
				if _, _, err := c.ReadMessage(); err != nil {
					if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
						codes[i] = closed.Code
					}
					return
				}
			}
		})
	}
	cancel()
	clients.Wait()
	running.Wait()
	require.Zero(t, code, errs.String())
	require.Equal(t, []int{1001, 1001, 1001}, codes)
	require.Equal(t, "serving wsec at 127.0.0.1:"+numbers[0]+", wsra at 127.0.0.1:"+numbers[1]+", wsdi at 127.0.0.1:"+numbers[2]+"\nended\n", out.String())
}

func TestAnAppCanBeLeftOut(t *testing.T) {
	numbers, flags := ports(t)
	flags[3] = "0" // wsra
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	var running sync.WaitGroup
	running.Go(func() { assert.Zero(t, run(ctx, flags, &out, io.Discard)) })
	code, _, errs := do(t, append(flags, "-wait", "60s")...)
	require.Zero(t, code, errs)
	cancel()
	running.Wait()
	require.NotContains(t, out.String(), "wsra")
	require.Contains(t, out.String(), numbers[2])
}

func TestItEndsWithSuccessOnSIGTERM(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGTERM on Windows, where no workspace of these templates is")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	numbers, flags := ports(t)
	cmd := exec.CommandContext(t.Context(), self, flags...)
	cmd.Env = append(os.Environ(), "SCALETEST_APPS_CHILD=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	code, _, errs := do(t, append(flags, "-wait", "60s")...)
	require.Zero(t, code, errs)
	c, resp, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://127.0.0.1:"+numbers[0]+"/", nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	defer c.Close()
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	_, _, err = c.ReadMessage()
	require.True(t, websocket.IsCloseError(err, websocket.CloseGoingAway), "%v", err)
	require.NoError(t, cmd.Wait(), out.String())
	require.Contains(t, out.String(), "ended")
}

func TestWhatIsInstalledIsTheProgramItself(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	want, err := os.ReadFile(self)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "scaletest-apps")
	require.NoError(t, os.WriteFile(path, []byte("an older one"), 0o600))
	for range 2 { // a container that is started again finds the file there
		code, _, errs := do(t, "-install", path)
		require.Zero(t, code, errs)
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, os.FileMode(0o755), info.Mode().Perm())
	}
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "something else is left behind")
}

func TestWhereItCannotBeInstalledIsSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nothing", "scaletest-apps")
	code, _, errs := do(t, "-install", path)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "install this program as "+path+": ")
	require.Contains(t, errs, "want a folder that is there")

	dir := filepath.Join(t.TempDir(), "taken")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "by-a-folder"), 0o700))
	code, _, _ = do(t, "-install", dir)
	require.Equal(t, 1, code)
	left, err := os.ReadDir(filepath.Dir(dir))
	require.NoError(t, err)
	require.Len(t, left, 1, "a part of the program is left behind")
}

func TestAnAppThatIsEndingIsNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })}
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(l) })
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	code, _, errs := do(t, "-wsec", port, "-wsra", "0", "-wsdi", "0", "-wait", "200ms")
	require.NoError(t, srv.Close())
	serving.Wait()
	require.Equal(t, 1, code)
	require.Contains(t, errs, "app wsec is not there")
}

// TestTheProgramIsStaticAndSmall builds it as its image does.
func TestTheProgramIsStaticAndSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scaletest-apps")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, string(text))
	info, err := os.Stat(path)
	require.NoError(t, err)
	t.Logf("%.1f MiB", float64(info.Size())/(1<<20))
	require.Less(t, info.Size(), int64(10<<20), "each workspace gets a copy of it")

	cmd = exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{$.ImportPath}}{{end}}", ".")
	text, err = cmd.Output()
	require.NoError(t, err)
	require.ElementsMatch(t, []string{
		"github.com/coderscale/scaletest/cmd/scaletest-apps", "github.com/coderscale/scaletest/internal/install",
		"github.com/coderscale/scaletest/internal/trafficapps", "github.com/gorilla/websocket",
	}, strings.Fields(string(text)))
	require.Less(t, goodbye, 30*time.Second, "a pod is killed after that")
}
