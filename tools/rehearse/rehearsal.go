package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	core "k8s.io/api/core/v1"

	"github.com/coderscale/scaletest/tools/manifests"
)

// workspaces are those of the deployment. Shards get different numbers of them.
const workspaces = 31

// rehearsal is a run of built manifests.
type rehearsal struct {
	*kubelet
	api *apiServer

	mu      sync.Mutex        // held while a pod starts
	uids    map[string]string // of Jobs
	started []*running
}

// running is a process that was started.
type running struct {
	name  string
	cmd   *exec.Cmd
	log   string // path
	ended chan error
}

// prepare builds the manifests of testdata/name and starts what stands for the world
// around them.
func prepare(ctx context.Context, root, dir, image, name string) (*rehearsal, error) {
	objs, _, err := manifests.Build(filepath.Join(root, "tools/rehearse/testdata", name))
	if err != nil {
		return nil, err
	}
	if objs.Load() == nil {
		return nil, errors.New("there is no indexed Job")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	r := &rehearsal{kubelet: &kubelet{objs: objs, dir: dir, image: image, byHand: map[string]string{}, cluster: map[string]string{}}}
	if r.api, err = serveAPI(dir, objs.Load()); err != nil {
		return nil, err
	}
	r.uids = map[string]string{objs.Load().Name: string(r.api.job.UID)}
	if err := r.deploy(ctx); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// again makes the Jobs anew, as people do for another run.
func (r *rehearsal) again() {
	r.mu.Lock()
	defer r.mu.Unlock()
	load := r.objs.Load()
	r.uids = map[string]string{load.Name: r.api.apply(load)}
}

// deploy starts the embedded deployment, which stands for CODER_URL.
func (r *rehearsal) deploy(ctx context.Context) error {
	p := process{path: filepath.Join(r.image, "scaletest"), dir: r.dir, args: []string{"serve", "-workspaces", fmt.Sprint(workspaces), "-rate-limit", "-1", "-login-rate-limit", "-1", "-exit-with-parent"}}
	deployment, lines, err := r.start(ctx, "deployment", p)
	if err != nil {
		return err
	}
	found := map[string]string{}
	for len(found) < 2 && lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), "=")
		found[name] = value
	}
	if len(found) < 2 {
		return fmt.Errorf("the deployment did not begin: %w", deployment.wait())
	}
	r.cluster["https://coder.example.com"] = found["CODER_URL"]
	r.byHand["scaletest-token/CODER_SESSION_TOKEN"] = found["CODER_SESSION_TOKEN"]
	return nil
}

// close ends what is still there.
func (r *rehearsal) close() {
	for _, p := range r.started {
		_ = p.cmd.Process.Kill() // most have ended
		_ = p.wait()
	}
	r.api.Close()
}

// pod starts the process of a pod, or of one shard of a Job.
func (r *rehearsal) pod(ctx context.Context, job string, index int, more ...string) (*running, *bufio.Scanner, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.objs.Job(job)
	if j == nil {
		return nil, nil, fmt.Errorf("there is no Job %s", job)
	}
	if r.uids[job] == "" {
		r.uids[job] = newUID()
	}
	is := instance{name: fmt.Sprintf("%s-%d", job, len(r.started)), uid: r.uids[job], index: index}
	p, err := r.process(j.Spec.Template.Spec, is)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", is.name, err)
	}
	maps.Copy(p.env, r.api.environment())
	if mounts(j.Spec.Template.Spec) {
		p.args = append(p.args, "-service-account="+r.api.account, "-job-poll=100ms")
	}
	p.args = append(p.args, more...)
	return r.start(ctx, is.name, p)
}

func mounts(pod core.PodSpec) bool {
	return pod.AutomountServiceAccountToken != nil && *pod.AutomountServiceAccountToken
}

// start starts a process, whose output goes to a file, and as far as it is of use to
// the lines that are returned.
func (r *rehearsal) start(ctx context.Context, name string, p process) (*running, *bufio.Scanner, error) {
	run := &running{name: name, log: filepath.Join(r.dir, name+".log"), ended: make(chan error, 1)}
	log, err := os.Create(run.log)
	if err != nil {
		return nil, nil, err
	}
	run.cmd = exec.CommandContext(ctx, p.path, p.args...)
	run.cmd.Dir, run.cmd.Stdout, run.cmd.Stderr = p.dir, log, log
	run.cmd.Env = []string{}
	for name, value := range p.env {
		run.cmd.Env = append(run.cmd.Env, name+"="+value)
	}
	run.cmd.Cancel = func() error { return run.cmd.Process.Signal(syscall.SIGTERM) }
	run.cmd.WaitDelay = 10 * time.Second
	err = run.cmd.Start()
	_ = log.Close() // the process has its own
	if err != nil {
		return nil, nil, err
	}
	r.started = append(r.started, run)
	go func() { run.ended <- run.cmd.Wait() }()
	file, err := os.Open(run.log)
	if err != nil {
		return nil, nil, err
	}
	return run, bufio.NewScanner(&following{ctx: ctx, file: file, run: run}), nil
}

// wait returns when the process has ended. The error has the end of its log.
func (p *running) wait() error {
	err := <-p.ended
	p.ended <- err
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w:\n%s", p.name, err, p.tail())
}

func (p *running) tail() string {
	text, _ := os.ReadFile(p.log) // without it there is less to say
	return string(text[max(0, len(text)-2000):])
}

// following reads a file that a process writes, until that has ended.
type following struct {
	ctx  context.Context
	file *os.File
	run  *running
}

func (f *following) Read(b []byte) (int, error) {
	for {
		over := len(f.run.ended) > 0
		if n, err := f.file.Read(b); n > 0 || over || f.ctx.Err() != nil {
			if n == 0 {
				_ = f.file.Close()
			}
			return n, err
		}
		time.Sleep(20 * time.Millisecond) // there is no event for that on all systems
	}
}

// newUID is like those that Kubernetes gives.
func newUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // which never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
