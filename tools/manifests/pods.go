package manifests

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// safeSysctls are those that need no leave of a node, and that the policy "restricted"
// allows: of those, the ones that are of use here.
var safeSysctls = []string{"net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies"}

// hardened holds a pod to the policy "restricted" of Kubernetes, and a bit more.
func (c *checking) hardened(p pod) {
	s := p.spec.SecurityContext
	switch {
	case s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot:
		c.fault(p.id, "want runAsNonRoot")
	case s.RunAsUser != nil && *s.RunAsUser == 0:
		c.fault(p.id, "runAsUser is root")
	case s.SeccompProfile == nil || s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault:
		c.fault(p.id, "want the seccompProfile RuntimeDefault")
	default:
		for _, ctl := range s.Sysctls {
			if !slices.Contains(safeSysctls, ctl.Name) {
				c.fault(p.id, "the sysctl %s is not known to be safe", ctl.Name)
			}
		}
	}
	if p.spec.HostNetwork || p.spec.HostPID || p.spec.HostIPC {
		c.fault(p.id, "it shares the host's network or processes")
	}
	for _, ctr := range slices.Concat(p.spec.InitContainers, p.spec.Containers) {
		s := ctr.SecurityContext
		if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation ||
			s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
			s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
			c.fault(p.id, "%s: want no privilege escalation, a read-only root, and no capabilities", ctr.Name)
		}
	}
	for _, v := range p.spec.Volumes {
		if v.HostPath != nil {
			c.fault(p.id, "the volume %s is the host's", v.Name)
		}
	}
	if p.job == nil {
		return
	}
	if p.spec.RestartPolicy != core.RestartPolicyNever {
		c.fault(p.id, "want restartPolicy Never")
	}
	if p.meta.Annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] != "false" || p.meta.Annotations["karpenter.sh/do-not-disrupt"] != "true" {
		c.fault(p.id, "want the annotations by which autoscalers leave it alone")
	}
}

// sized holds containers to memory that they may count on, and to whole cores rather
// than a limit that stops them.
func (c *checking) sized(p pod) {
	for _, ctr := range p.spec.Containers {
		r := ctr.Resources
		want, limit := r.Requests.Memory(), r.Limits.Memory()
		if want.IsZero() || want.Cmp(*limit) != 0 {
			c.fault(p.id, "%s: its memory's request and limit differ", ctr.Name)
		}
		if r.Requests.Cpu().IsZero() || !r.Limits.Cpu().IsZero() {
			c.fault(p.id, "%s: want a request for CPU, and no limit", ctr.Name)
		}
		if !strings.HasPrefix(ctr.Command[0], "/scaletest") {
			continue
		}
		soft, err := resource.ParseQuantity(strings.TrimSuffix(env(ctr, "GOMEMLIMIT").Value, "B"))
		if share := soft.AsApproximateFloat64() / limit.AsApproximateFloat64(); err != nil || share < 0.6 || share > 0.9 {
			c.fault(p.id, "%s: GOMEMLIMIT is %q, want 60 to 90 %% of %s", ctr.Name, env(ctr, "GOMEMLIMIT").Value, limit)
		}
	}
}

// mounted holds volumes to being there.
func (c *checking) mounted(p pod) {
	there := map[string]bool{}
	for _, v := range p.spec.Volumes {
		there[v.Name] = true
		switch {
		case v.PersistentVolumeClaim != nil && find[core.PersistentVolumeClaim](c.objs, v.PersistentVolumeClaim.ClaimName) == nil:
			c.fault(p.id, "there is no PersistentVolumeClaim %s", v.PersistentVolumeClaim.ClaimName)
		case v.ConfigMap != nil && find[core.ConfigMap](c.objs, v.ConfigMap.Name) == nil:
			c.fault(p.id, "there is no ConfigMap %s", v.ConfigMap.Name)
		}
	}
	for _, ctr := range p.spec.Containers {
		for _, m := range ctr.VolumeMounts {
			if !there[m.Name] {
				c.fault(p.id, "there is no volume %s", m.Name)
			}
		}
		for _, at := range written(ctr) {
			m := mountOf(ctr, at)
			if m == nil || m.ReadOnly {
				c.fault(p.id, "%s writes to %s, which is in no volume", ctr.Name, at)
			} else if claimOf(p.spec, m.Name) != "" && !ofRun(ctr, at) {
				c.fault(p.id, "%s writes to %s on a volume that stays, where the next run would write, too: want the UID of the load or of its own Job in the path", ctr.Name, at)
			}
		}
	}
}

// mountOf is where a path of a container is, or nil.
func mountOf(ctr core.Container, path string) (mount *core.VolumeMount) {
	for i, m := range ctr.VolumeMounts {
		if (path == m.MountPath || strings.HasPrefix(path, m.MountPath+"/")) && (mount == nil || len(m.MountPath) > len(mount.MountPath)) {
			mount = &ctr.VolumeMounts[i]
		}
	}
	return mount
}

// claimOf is the claim of a pod's volume, or "".
func claimOf(spec core.PodSpec, volume string) string {
	for _, v := range spec.Volumes {
		if v.Name == volume && v.PersistentVolumeClaim != nil {
			return v.PersistentVolumeClaim.ClaimName
		}
	}
	return ""
}

// ofRun reports whether a path has a part that is the UID of a Job.
func ofRun(ctr core.Container, path string) bool {
	if _, waits := flagOf(ctr.Args, "after-job"); waits && strings.Contains(path, "/{uid}/") {
		return true
	}
	return slices.ContainsFunc(reference.FindAllStringSubmatch(path, -1), func(m []string) bool {
		from := env(ctr, m[1]).ValueFrom
		return from != nil && from.FieldRef != nil && from.FieldRef.FieldPath == jobUID
	})
}

// jobUID is the field of a pod that has the UID of its Job.
const jobUID = "metadata.labels['batch.kubernetes.io/controller-uid']"

// merged holds whoever merges to the folder in which the load leaves its results, on
// the same claim.
func (c *checking) merged(load *batch.Job) {
	writes := onClaim(load.Spec.Template.Spec, env(load.Spec.Template.Spec.Containers[0], "CODER_SCALETEST_ARTIFACTS").Value)
	for id, j := range all[batch.Job](c.objs) {
		ctr := j.Spec.Template.Spec.Containers[0]
		if ctr.Args[0] != "merge" {
			continue
		}
		for _, arg := range ctr.Args[1:] {
			if strings.HasPrefix(arg, "-") {
				continue
			}
			reads := strings.ReplaceAll(onClaim(j.Spec.Template.Spec, arg), "{uid}", "$(CODER_SCALETEST_RUN_ID)")
			if writes == "" || writes != reads+"/$(JOB_COMPLETION_INDEX)" {
				c.fault(id, "it merges %s, and shards write to %q of their volume", arg, writes)
			}
		}
	}
}

// onClaim is a path of a pod as claim/path, or "".
func onClaim(spec core.PodSpec, path string) string {
	m := mountOf(spec.Containers[0], path)
	if m == nil || claimOf(spec, m.Name) == "" {
		return ""
	}
	return claimOf(spec, m.Name) + strings.TrimPrefix(path, m.MountPath)
}

// written are the paths that a container is told to write to.
func written(ctr core.Container) []string {
	var paths []string
	if at := env(ctr, "CODER_SCALETEST_ARTIFACTS").Value; at != "" {
		paths = append(paths, at)
	}
	if at, ok := flagOf(ctr.Args, "o"); ok {
		paths = append(paths, at)
	}
	if ctr.Command[0] == "/scaletest.test" {
		paths = append(paths, "/tmp")
	}
	return paths
}

// account holds tokens of service accounts to where they are of use.
func (c *checking) account(p pod) {
	name := p.spec.ServiceAccountName
	if name != "" && find[core.ServiceAccount](c.objs, name) == nil {
		c.fault(p.id, "there is no ServiceAccount %s", name)
	}
	bound := false
	for _, b := range all[rbac.RoleBinding](c.objs) {
		bound = bound || slices.ContainsFunc(b.Subjects, func(s rbac.Subject) bool { return s.Name == name })
	}
	_, waits := flagOf(p.spec.Containers[0].Args, "after-job")
	mounts := p.spec.AutomountServiceAccountToken == nil || *p.spec.AutomountServiceAccountToken
	if mounts != waits || waits && !bound {
		c.fault(p.id, "want a service account's token where there is -after-job, with a role, and nowhere else")
	}
}

var reference = regexp.MustCompile(`\$\(([A-Za-z_0-9]+)\)`)

// environment holds variables to being read by somebody, and to having a value.
func (c *checking) environment(p pod, ctr core.Container) {
	known := map[string]bool{}
	for _, from := range ctr.EnvFrom {
		if from.ConfigMapRef == nil {
			c.fault(p.id, "%s: want envFrom of ConfigMaps alone: of a Secret, the keys that are needed", ctr.Name)
			continue
		}
		data := c.objs.ConfigMap(from.ConfigMapRef.Name)
		if data == nil {
			c.fault(p.id, "there is no ConfigMap %s", from.ConfigMapRef.Name)
		}
		for name := range data {
			known[name] = true
		}
	}
	for _, e := range ctr.Env {
		if !c.facts.Variables[e.Name] && !ofGo[e.Name] && !refersTo(ctr, e.Name) {
			c.fault(p.id, "nobody reads %s", e.Name)
		}
		c.expands(p, e.Name, e.Value, known)
		if from := e.ValueFrom; from != nil {
			if r := from.SecretKeyRef; r != nil && !c.facts.Outside["Secret/"+r.Name+"/"+r.Key] && !c.hasSecret(r.Name, r.Key) {
				c.fault(p.id, "there is no key %s in a Secret %s, neither here nor in the guide", r.Key, r.Name)
			}
			if r := from.ConfigMapKeyRef; r != nil && !c.facts.Outside["ConfigMap/"+r.Name+"/"+r.Key] {
				if _, ok := c.objs.ConfigMap(r.Name)[r.Key]; !ok {
					c.fault(p.id, "there is no key %s in a ConfigMap %s, neither here nor in the guide", r.Key, r.Name)
				}
			}
		}
		known[e.Name] = true
	}
	for _, arg := range ctr.Args {
		c.expands(p, "an argument", arg, known)
	}
}

// ofGo are variables that every program here reads, as they are in Go.
var ofGo = map[string]bool{"GOMAXPROCS": true, "GOMEMLIMIT": true}

// refersTo reports whether an argument or another variable of a container has the value
// of this one.
func refersTo(ctr core.Container, name string) bool {
	ref := "$(" + name + ")"
	return slices.ContainsFunc(ctr.Args, func(arg string) bool { return strings.Contains(arg, ref) }) ||
		slices.ContainsFunc(ctr.Env, func(e core.EnvVar) bool { return strings.Contains(e.Value, ref) })
}

func (c *checking) hasSecret(name, key string) bool {
	s := find[core.Secret](c.objs, name)
	return s != nil && (s.Data[key] != nil || s.StringData[key] != "")
}

// expands holds references to variables that come before them.
func (c *checking) expands(p pod, what, text string, known map[string]bool) {
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		if !known[m[1]] {
			c.fault(p.id, "%s refers to %s, which does not come before it", what, m[1])
		}
	}
}

// command holds a container's command to the image, and its flags to the command.
func (c *checking) command(p pod, ctr core.Container) {
	if len(ctr.Command) != 1 {
		c.fault(p.id, "%s: want a command of one word, and args", ctr.Name)
		return
	}
	program, args := ctr.Command[0], ctr.Args
	if !strings.HasPrefix(program, "/scaletest") {
		return // another image's
	}
	if ctr.Image == "" || !strings.Contains(ctr.Image, ":") || strings.HasSuffix(ctr.Image, ":latest") {
		c.fault(p.id, "the image is %q, want one with a tag that stays", ctr.Image)
	}
	if program == "/scaletest" && len(args) > 0 {
		program, args = fmt.Sprintf("%s %s", program, args[0]), args[1:]
	}
	flags := c.facts.Commands[program]
	if flags == nil {
		c.fault(p.id, "there is no command %s in the image", program)
		return
	}
	for _, arg := range args {
		name, value, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if strings.HasPrefix(arg, "-") && !flags[name] {
			c.fault(p.id, "%s has no flag -%s", program, name)
		}
		if name == "test.run" && !c.facts.Tests[strings.Trim(value, "^$")] {
			c.fault(p.id, "there is no test %s", value)
		}
		if job := value; name == "after-job" && c.objs.Job(job) == nil {
			c.fault(p.id, "there is no Job %s to wait for", job)
		}
	}
}
