// Package manifests builds the kustomizations of deploy/kubernetes, reads what comes of
// them with the types of Kubernetes itself, and holds it to what must be true of it
// beyond its form:
//
//	objs, err := manifests.Build("deploy/kubernetes/base")
//	for _, fault := range manifests.Check(objs, facts) {
//		fmt.Println(fault)
//	}
package manifests

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// types are the kinds that there may be. Monitors are those of the Prometheus operator.
var types = map[string]func() meta.Object{
	"v1/ConfigMap":                             func() meta.Object { return new(core.ConfigMap) },
	"v1/Namespace":                             func() meta.Object { return new(core.Namespace) },
	"v1/PersistentVolumeClaim":                 func() meta.Object { return new(core.PersistentVolumeClaim) },
	"v1/Pod":                                   func() meta.Object { return new(core.Pod) },
	"v1/Secret":                                func() meta.Object { return new(core.Secret) },
	"v1/Service":                               func() meta.Object { return new(core.Service) },
	"v1/ServiceAccount":                        func() meta.Object { return new(core.ServiceAccount) },
	"apps/v1/Deployment":                       func() meta.Object { return new(apps.Deployment) },
	"batch/v1/Job":                             func() meta.Object { return new(batch.Job) },
	"monitoring.coreos.com/v1/PodMonitor":      func() meta.Object { return new(monitoring.PodMonitor) },
	"networking.k8s.io/v1/NetworkPolicy":       func() meta.Object { return new(networking.NetworkPolicy) },
	"policy/v1/PodDisruptionBudget":            func() meta.Object { return new(policy.PodDisruptionBudget) },
	"rbac.authorization.k8s.io/v1/Role":        func() meta.Object { return new(rbac.Role) },
	"rbac.authorization.k8s.io/v1/RoleBinding": func() meta.Object { return new(rbac.RoleBinding) },
}

// Objects are those of one kustomization, by kind and name.
type Objects map[string]meta.Object

// Build makes the objects of a kustomization, as "kubectl apply -k" would send them, and
// its text.
func Build(dir string) (Objects, []byte, error) {
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionLegacy // what others need comes first, as with kubectl
	made, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, nil, fmt.Errorf("build %s: %w", dir, err)
	}
	text, err := made.AsYaml()
	if err != nil {
		return nil, nil, fmt.Errorf("build %s: %w", dir, err)
	}
	objs, err := Decode(text)
	if err != nil {
		err = fmt.Errorf("build %s: %w", dir, err)
	}
	return objs, text, err
}

// Decode reads objects strictly: a kind that is not known, a field that its type has
// not, a field that is there twice, and an object that is there twice are errors.
func Decode(text []byte) (Objects, error) {
	objs := Objects{}
	var errs []error
	docs := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return objs, errors.Join(errs...)
		}
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(doc)) == 0 {
			continue
		}
		id, obj, err := decode(doc)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if objs[id] != nil {
			errs = append(errs, fmt.Errorf("%s: it is there twice", id))
		}
		objs[id] = obj
	}
}

func decode(doc []byte) (id string, obj meta.Object, err error) {
	var head struct {
		meta.TypeMeta `json:",inline"`
		Metadata      struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	if err := yaml.Unmarshal(doc, &head); err != nil {
		return "", nil, err
	}
	id = head.Kind + "/" + head.Metadata.Name
	made := types[head.APIVersion+"/"+head.Kind]
	if made == nil {
		return id, nil, fmt.Errorf("%s: there is no %s in %s that may be used here", id, head.Kind, head.APIVersion)
	}
	obj = made()
	// Without the types in between, which would make a text of a number where the API
	// server does not.
	asJSON, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		return id, nil, fmt.Errorf("%s: %w", id, err)
	}
	strict, err := json.UnmarshalStrict(asJSON, obj)
	if err := errors.Join(append(strict, err)...); err != nil {
		return id, nil, fmt.Errorf("%s: %w", id, err)
	}
	return id, obj, nil
}

// find is the object of a kind and name, or nil.
func find[T any](o Objects, name string) *T {
	for _, obj := range o {
		if t, ok := obj.(interface{ GetName() string }); ok && t.GetName() == name {
			if found, ok := any(obj).(*T); ok {
				return found
			}
		}
	}
	return nil
}

// all are the objects of a kind.
func all[T any](o Objects) map[string]*T {
	found := map[string]*T{}
	for id, obj := range o {
		if t, ok := any(obj).(*T); ok {
			found[id] = t
		}
	}
	return found
}

// pod is what runs, and what it is called in faults.
type pod struct {
	id   string
	job  *batch.Job // nil for a Pod
	meta meta.ObjectMeta
	spec core.PodSpec
}

// pods are those of Jobs, and those that stand alone. Deployments are other people's.
func (o Objects) pods() []pod {
	var pods []pod
	for id, j := range all[batch.Job](o) {
		pods = append(pods, pod{id, j, j.Spec.Template.ObjectMeta, j.Spec.Template.Spec})
	}
	for id, p := range all[core.Pod](o) {
		pods = append(pods, pod{id, nil, p.ObjectMeta, p.Spec})
	}
	return pods
}

// Load is the Job that makes the load: the indexed one.
func (o Objects) Load() *batch.Job {
	for _, j := range all[batch.Job](o) {
		if m := j.Spec.CompletionMode; m != nil && *m == batch.IndexedCompletion {
			return j
		}
	}
	return nil
}

// Job is that of a name, or nil.
func (o Objects) Job(name string) *batch.Job { return find[batch.Job](o, name) }

// ConfigMap is the data of that of a name.
func (o Objects) ConfigMap(name string) map[string]string {
	if c := find[core.ConfigMap](o, name); c != nil {
		return c.Data
	}
	return nil
}

// flagOf is the value of a flag in arguments such as "-after-job=scaletest".
func flagOf(args []string, name string) (string, bool) {
	for _, arg := range args {
		if value, ok := strings.CutPrefix(arg, "-"+name+"="); ok {
			return value, true
		}
	}
	return "", false
}
