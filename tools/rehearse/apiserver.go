package main

import (
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// token is that of the service account of the observers.
const token = "of-the-observer"

// apiServer plays the API server, for those who may get one Job and nothing else.
type apiServer struct {
	*httptest.Server
	account string // the folder that pods find

	mu     sync.Mutex
	job    *batch.Job
	failed []int // indexes
}

func serveAPI(dir string, job *batch.Job) (*apiServer, error) {
	a := &apiServer{account: filepath.Join(dir, "serviceaccount")}
	a.apply(job)
	a.Server = httptest.NewTLSServer(a)
	if err := os.MkdirAll(a.account, 0o700); err != nil {
		return nil, err
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})
	for name, text := range map[string][]byte{"ca.crt": ca, "token": []byte(token), "namespace": []byte(job.Namespace)} {
		if err := os.WriteFile(filepath.Join(a.account, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// apply makes the Job anew, and returns its UID.
func (a *apiServer) apply(job *batch.Job) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.job, a.failed = job.DeepCopy(), nil
	a.job.UID = types.UID(newUID())
	a.job.TypeMeta = meta.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}
	a.job.Status.Active = *job.Spec.Completions
	a.job.Status.Terminating = new(int32)
	return string(a.job.UID)
}

// environment is what Kubernetes gives every container.
func (a *apiServer) environment() map[string]string {
	u, _ := url.Parse(a.URL) // httptest has made it
	host, port, _ := net.SplitHostPort(u.Host)
	return map[string]string{"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	refuse := func(code int32, reason meta.StatusReason) {
		w.WriteHeader(int(code))
		_ = json.NewEncoder(w).Encode(meta.Status{
			TypeMeta: meta.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: meta.StatusFailure, Code: code, Reason: reason, Message: r.URL.Path,
		})
	}
	switch {
	case r.Header.Get("Authorization") != "Bearer "+token:
		refuse(http.StatusUnauthorized, meta.StatusReasonUnauthorized)
	case r.Method != http.MethodGet, r.URL.Path != "/apis/batch/v1/namespaces/"+a.job.Namespace+"/jobs/"+a.job.Name:
		refuse(http.StatusForbidden, meta.StatusReasonForbidden)
	default:
		_ = json.NewEncoder(w).Encode(a.job)
	}
}

// ended notes that a shard's pod has, as the controller of Jobs does.
func (a *apiServer) ended(index int, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.job.Status
	s.Active--
	if ok {
		s.Succeeded++
	} else {
		s.Failed++
		a.failed = append(a.failed, index)
	}
	if s.Active > 0 {
		return
	}
	how, reason := batch.JobComplete, batch.JobReasonCompletionsReached
	if len(a.failed) > 0 {
		how, reason = batch.JobFailed, batch.JobReasonFailedIndexes
	}
	s.Conditions = append(s.Conditions, batch.JobCondition{Type: how, Status: core.ConditionTrue, Reason: reason})
}
