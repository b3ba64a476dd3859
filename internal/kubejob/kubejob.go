// Package kubejob waits for a Job of the Kubernetes cluster that this process runs
// in. That is one GET, now and then, with the pod's service account, so it takes no
// client library:
//
//	c, err := kubejob.InCluster(os.Getenv, "")
//	job, err := c.Wait(ctx, "scaletest", kubejob.WaitOptions{})
//	fmt.Println(job.UID, job.End)
//
// The service account must be allowed to get that Job, and nothing else.
package kubejob

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ServiceAccount is the folder that the kubelet gives a pod with its service
// account's token.
const ServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// Client asks the API server of a cluster. [InCluster] makes one.
type Client struct {
	url       string
	namespace string
	tokenFile string
	http      *http.Client
}

// InCluster makes a client of what Kubernetes gives every pod: the variables
// KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, which env is asked for, and
// the folder of the service account, where "" means [ServiceAccount]. The error says
// everything that is missing.
func InCluster(env func(string) string, dir string) (*Client, error) {
	if dir == "" {
		dir = ServiceAccount
	}
	var errs []error
	host, port := env("KUBERNETES_SERVICE_HOST"), env("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		errs = append(errs, errors.New("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not both set"))
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			errs = append(errs, err)
		}
		return b
	}
	namespace, ca := strings.TrimSpace(string(read("namespace"))), read("ca.crt")
	read("token")
	roots := x509.NewCertPool()
	if len(ca) > 0 && !roots.AppendCertsFromPEM(ca) {
		errs = append(errs, fmt.Errorf("%s holds no certificate", filepath.Join(dir, "ca.crt")))
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("find the Kubernetes API: %w: this has to run in a pod whose service account's token is mounted (automountServiceAccountToken)", errors.Join(errs...))
	}
	return &Client{
		url:       "https://" + net.JoinHostPort(host, port),
		namespace: namespace,
		tokenFile: filepath.Join(dir, "token"),
		http: &http.Client{
			Timeout:   30 * time.Second, // a server that never answers is asked again
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
		},
	}, nil
}

// Close lets go of the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Job is what is known of a Job.
type Job struct {
	Namespace string
	Name      string

	// UID is that of this very Job: another one of the same name has another.
	UID string

	// End is how it ended, or "" as long as it has not.
	End End

	// Reason is the API server's, such as DeadlineExceeded. It may be empty.
	Reason string

	// Grace is how long its pods may take to end when they are told to.
	Grace time.Duration

	// Foreground is whether it is being deleted in the foreground, so that it is not gone
	// before its pods are.
	Foreground bool

	// Pods is the number of those that may still run. It is -1 if the server does not
	// say, as those before 1.29 don't.
	Pods int
}

// End is how a Job ended.
type End string

// The ends of a Job.
const (
	Complete End = "complete" // all of its pods were done and content
	Failed   End = "failed"   // also by its deadline
	Gone     End = "gone"     // somebody deleted it
)

// object is what is read of batch/v1's Job, and of meta/v1's Status, which the server
// answers in its place when it refuses.
type object struct {
	Kind     string `json:"kind"`
	Message  string `json:"message"`
	Metadata struct {
		UID        string   `json:"uid"`
		Deleted    string   `json:"deletionTimestamp"`
		Finalizers []string `json:"finalizers"`
	} `json:"metadata"`
	Spec struct {
		Template struct {
			Spec struct {
				Grace *int64 `json:"terminationGracePeriodSeconds"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
	Status struct {
		Active      int  `json:"active"`
		Terminating *int `json:"terminating"`
		Conditions  []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
			Reason string `json:"reason"`
		} `json:"conditions"`
	} `json:"status"`
}

// UnmarshalJSON is by hand because a Status has a text where a Job has an object.
func (o *object) UnmarshalJSON(b []byte) error {
	var head struct {
		Kind    string `json:"kind"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return err
	}
	if head.Kind != "Job" {
		o.Kind, o.Message = head.Kind, head.Message
		return nil
	}
	type plain object
	return json.Unmarshal(b, (*plain)(o))
}

// refused is an answer that is no Job.
type refused struct {
	code    int
	message string
}

func (r refused) Error() string { return fmt.Sprintf("%d %s", r.code, r.message) }

// errNotThere is the answer of a server that knows no such Job.
var errNotThere = errors.New("there is no such Job")

// get asks once. The error is [errNotThere], a [refused] or that of the connection.
func (c *Client) get(ctx context.Context, name string) (Job, error) {
	token, err := os.ReadFile(c.tokenFile) // again each time: the kubelet renews it
	if err != nil {
		return Job{}, err
	}
	at := c.url + "/apis/batch/v1/namespaces/" + url.PathEscape(c.namespace) + "/jobs/" + url.PathEscape(name)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
	if err != nil {
		return Job{}, err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return Job{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20)) // an object of etcd's has 1.5 MiB at most
	if err != nil {
		return Job{}, err
	}
	var o object
	err = json.Unmarshal(body, &o)
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return Job{}, errNotThere
	case resp.StatusCode != http.StatusOK:
		if o.Message == "" {
			o.Message = http.StatusText(resp.StatusCode)
		}
		return Job{}, refused{resp.StatusCode, o.Message}
	case err != nil:
		return Job{}, fmt.Errorf("the answer is no JSON: %w", err)
	case o.Kind != "Job" || o.Metadata.UID == "":
		return Job{}, fmt.Errorf("the answer is a %q, want a Job with a UID", o.Kind)
	}
	return c.job(name, o), nil
}

func (c *Client) job(name string, o object) Job {
	j := Job{Namespace: c.namespace, Name: name, UID: o.Metadata.UID, Grace: 30 * time.Second, Pods: -1}
	j.Foreground = o.Metadata.Deleted != "" && slices.Contains(o.Metadata.Finalizers, "foregroundDeletion")
	if g := o.Spec.Template.Spec.Grace; g != nil {
		j.Grace = time.Duration(*g) * time.Second
	}
	if t := o.Status.Terminating; t != nil {
		j.Pods = o.Status.Active + *t
	}
	for _, cond := range o.Status.Conditions {
		if cond.Status != "True" {
			continue
		}
		switch cond.Type {
		case "Complete":
			j.End, j.Reason = Complete, cond.Reason
		case "Failed":
			j.End, j.Reason = Failed, cond.Reason
		}
	}
	return j
}
