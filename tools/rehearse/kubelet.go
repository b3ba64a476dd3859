package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	core "k8s.io/api/core/v1"

	"github.com/coderscale/scaletest/tools/manifests"
)

// kubelet makes processes of containers, as far as the manifests here need it.
type kubelet struct {
	objs    manifests.Objects
	dir     string            // of the pods' own volumes
	image   string            // the folder with the programs
	byHand  map[string]string // keys of Secrets and ConfigMaps that people make, as "name/key"
	cluster map[string]string // what comes out differently without a cluster: addresses
}

// instance is a pod that is to be.
type instance struct {
	name  string
	uid   string // of its Job
	index int    // -1 is none
}

// process is what a kubelet would have started.
type process struct {
	path string
	args []string
	env  map[string]string
	dir  string
}

// process makes the process of a pod's only container.
func (k *kubelet) process(pod core.PodSpec, is instance) (process, error) {
	ctr := pod.Containers[0]
	home := filepath.Join(k.dir, is.name)
	mounts, err := k.mounts(pod, ctr, home)
	if err != nil {
		return process{}, err
	}
	env, err := k.environment(ctr, is)
	if err != nil {
		return process{}, err
	}
	p := process{path: filepath.Join(k.image, ctr.Command[0]), env: map[string]string{}, dir: mounts["/tmp"]}
	for name, value := range env {
		p.env[name] = k.here(value, mounts)
	}
	p.env["HOME"], p.env["TMPDIR"] = mounts["/tmp"], mounts["/tmp"]
	if p.dir == "" {
		p.dir, p.env["TMPDIR"] = home, filepath.Join(home, "is-read-only")
	}
	for _, arg := range ctr.Args {
		p.args = append(p.args, k.here(expand(arg, env), mounts))
	}
	return p, nil
}

// mounts are the folders that stand for those of a container.
func (k *kubelet) mounts(pod core.PodSpec, ctr core.Container, home string) (map[string]string, error) {
	mounts := map[string]string{}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	for _, m := range ctr.VolumeMounts {
		i := slices.IndexFunc(pod.Volumes, func(v core.Volume) bool { return v.Name == m.Name })
		if i < 0 {
			return nil, fmt.Errorf("there is no volume %s", m.Name)
		}
		at := filepath.Join(home, m.Name)
		switch v := pod.Volumes[i]; {
		case v.PersistentVolumeClaim != nil:
			at = filepath.Join(k.dir, v.PersistentVolumeClaim.ClaimName)
		case v.EmptyDir == nil:
			return nil, fmt.Errorf("the volume %s is of a kind that can't be rehearsed", m.Name)
		}
		if err := os.MkdirAll(at, 0o700); err != nil {
			return nil, err
		}
		mounts[m.MountPath] = at
	}
	return mounts, nil
}

// environment is what Kubernetes gives the container.
func (k *kubelet) environment(ctr core.Container, is instance) (map[string]string, error) {
	env := map[string]string{}
	for _, from := range ctr.EnvFrom {
		maps.Copy(env, k.objs.ConfigMap(from.ConfigMapRef.Name))
	}
	for _, e := range ctr.Env {
		value := expand(e.Value, env)
		if e.ValueFrom != nil {
			var err error
			if value, err = k.valueFrom(ctr, *e.ValueFrom, is); err != nil {
				return nil, fmt.Errorf("%s: %w", e.Name, err)
			}
		}
		env[e.Name] = value
	}
	return env, nil
}

func (k *kubelet) valueFrom(ctr core.Container, from core.EnvVarSource, is instance) (string, error) {
	switch {
	case from.SecretKeyRef != nil:
		return k.made(from.SecretKeyRef.Name, from.SecretKeyRef.Key)
	case from.ConfigMapKeyRef != nil:
		return k.made(from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Key)
	case from.ResourceFieldRef != nil && from.ResourceFieldRef.Resource == "requests.cpu":
		return strconv.FormatInt(ctr.Resources.Requests.Cpu().Value(), 10), nil // rounded up
	case from.FieldRef != nil:
		switch field := from.FieldRef.FieldPath; field {
		case "metadata.name":
			return is.name, nil
		case "metadata.labels['batch.kubernetes.io/controller-uid']":
			return is.uid, nil
		case "metadata.annotations['batch.kubernetes.io/job-completion-index']":
			return strconv.Itoa(is.index), nil
		}
	}
	return "", fmt.Errorf("%v can't be rehearsed", from)
}

// made is a key of what people make by hand.
func (k *kubelet) made(name, key string) (string, error) {
	value, ok := k.byHand[name+"/"+key]
	if !ok {
		return "", fmt.Errorf("nobody has made %s with the key %s", name, key)
	}
	return value, nil
}

// here is a text with the paths and addresses of this machine.
func (k *kubelet) here(text string, mounts map[string]string) string {
	for from, to := range k.cluster {
		text = strings.ReplaceAll(text, from, to)
	}
	for _, at := range slices.Backward(slices.SortedFunc(maps.Keys(mounts), func(a, b string) int { return len(a) - len(b) })) {
		before, path, _ := strings.Cut(text, "=")
		if path == "" {
			before, path = "", text
		} else {
			before += "="
		}
		if rest, ok := strings.CutPrefix(path, at); ok && (rest == "" || rest[0] == '/') {
			return before + mounts[at] + rest
		}
	}
	return text
}

var reference = regexp.MustCompile(`\$\(([A-Za-z_0-9]+)\)`)

// expand puts in the variables that there are already, as Kubernetes does.
func expand(text string, env map[string]string) string {
	return reference.ReplaceAllStringFunc(text, func(ref string) string {
		if value, ok := env[ref[2:len(ref)-1]]; ok {
			return value
		}
		return ref
	})
}
