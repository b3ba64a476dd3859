package manifests

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// checking is a check that goes on.
type checking struct {
	objs   Objects
	facts  Facts
	faults []string
}

func (c *checking) fault(id, format string, args ...any) {
	c.faults = append(c.faults, id+": "+fmt.Sprintf(format, args...))
}

// Check returns what is wrong with objects that belong together, in order.
func Check(objs Objects, facts Facts) []string {
	c := &checking{objs: objs, facts: facts}
	for _, p := range objs.pods() {
		c.hardened(p)
		c.sized(p)
		c.mounted(p)
		c.account(p)
		for _, ctr := range p.spec.Containers {
			c.environment(p, ctr)
			c.command(p, ctr)
		}
	}
	if load := objs.Load(); load != nil {
		c.load(load)
		c.deadlines(load)
		c.deletes()
		c.merged(load)
		c.verdicts()
	}
	for id, cm := range all[core.ConfigMap](objs) {
		for name := range cm.Data {
			if strings.HasPrefix(name, "CODER_") && !facts.Variables[name] {
				c.fault(id, "nobody reads %s", name)
			}
		}
	}
	c.services()
	c.budgets()
	c.policies()
	c.clouds()
	c.monitors()
	c.roles()
	slices.Sort(c.faults)
	return slices.Compact(c.faults)
}

// load holds the Job with the shards to what a run of shards needs.
func (c *checking) load(j *batch.Job) {
	id, spec := "Job/"+j.Name, j.Spec
	if spec.Completions == nil || spec.Parallelism == nil || *spec.Completions != *spec.Parallelism {
		c.fault(id, "completions and parallelism differ: shards wait for each other")
		return
	}
	n := strconv.Itoa(int(*spec.Completions))
	for where, p := range map[string]string{id: "CODER_SCALETEST_SHARDS", "Job/scaletest-collector": "SHARDS"} {
		if other := c.objs.Job(strings.TrimPrefix(where, "Job/")); other != nil {
			if got := env(other.Spec.Template.Spec.Containers[0], p); got.Value != n {
				c.fault(where, "%s is %q, and completions %s", p, got.Value, n)
			}
		}
	}
	if spec.BackoffLimitPerIndex == nil || *spec.BackoffLimitPerIndex != 0 || spec.BackoffLimit != nil {
		c.fault(id, "want backoffLimitPerIndex 0 and no backoffLimit: no shard begins twice, and none ends the others")
	}
	if r := spec.PodReplacementPolicy; r == nil || *r != batch.Failed {
		c.fault(id, "want podReplacementPolicy Failed: a shard that is ending must not have a twin")
	}
	if spec.PodFailurePolicy == nil {
		c.fault(id, "want a podFailurePolicy that says what a disruption is")
	} else {
		for _, r := range spec.PodFailurePolicy.Rules {
			if r.Action != batch.PodFailurePolicyActionFailIndex {
				c.fault(id, "a rule of podFailurePolicy has the action %s, want FailIndex", r.Action)
			}
		}
	}
	ctr := spec.Template.Spec.Containers[0]
	for name, field := range map[string]string{
		"JOB_COMPLETION_INDEX":   "metadata.annotations['batch.kubernetes.io/job-completion-index']",
		"CODER_SCALETEST_RUN_ID": jobUID,
	} {
		if from := env(ctr, name).ValueFrom; from == nil || from.FieldRef == nil || from.FieldRef.FieldPath != field {
			c.fault(id, "%s is not %s", name, field)
		}
	}
	collector, at := env(ctr, "CODER_SCALETEST_COLLECTOR").Value, env(ctr, "CODER_SCALETEST_START_AT")
	if (collector == "") == (at.Name == "") {
		c.fault(id, "want either CODER_SCALETEST_COLLECTOR or CODER_SCALETEST_START_AT")
	}
	if collector != "" {
		c.meets(id, spec.Template, collector)
	}
	for _, s := range spec.Template.Spec.TopologySpreadConstraints {
		if !c.selects(s.LabelSelector, spec.Template.Labels) {
			c.fault(id, "topologySpreadConstraints select other pods")
		}
	}
	if len(spec.Template.Spec.TopologySpreadConstraints) == 0 || spec.Template.Spec.Affinity == nil || spec.Template.Spec.Affinity.PodAntiAffinity == nil {
		c.fault(id, "want topologySpreadConstraints and a podAntiAffinity to coderd")
	}
}

// verdicts holds those whose exit code is a verdict to ending their Job by it, and to
// starting again when they are lost.
func (c *checking) verdicts() {
	for id, j := range all[batch.Job](c.objs) {
		if args := j.Spec.Template.Spec.Containers[0].Args; args[0] != "collect" && args[0] != "merge" {
			continue
		}
		p := j.Spec.PodFailurePolicy
		if p == nil || len(p.Rules) != 2 || p.Rules[0].Action != batch.PodFailurePolicyActionIgnore || p.Rules[0].OnExitCodes != nil ||
			p.Rules[1].Action != batch.PodFailurePolicyActionFailJob || p.Rules[1].OnExitCodes == nil || !slices.Contains(p.Rules[1].OnExitCodes.Values, 1) {
			c.fault(id, "want a podFailurePolicy that ignores disruptions, and then ends the Job by the verdict's exit code")
		}
	}
}

// meets follows the collector's address to a container that listens there.
func (c *checking) meets(id string, from core.PodTemplateSpec, address string) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" {
		c.fault(id, "CODER_SCALETEST_COLLECTOR is %q, want http://service:port", address)
		return
	}
	svc := find[core.Service](c.objs, u.Hostname())
	if svc == nil {
		c.fault(id, "there is no Service %s", u.Hostname())
		return
	}
	i := slices.IndexFunc(svc.Spec.Ports, func(p core.ServicePort) bool { return strconv.Itoa(int(p.Port)) == u.Port() })
	if i < 0 {
		c.fault(id, "the Service %s has no port %s", svc.Name, u.Port())
		return
	}
	for _, p := range c.objs.pods() {
		if !labels.SelectorFromSet(svc.Spec.Selector).Matches(labels.Set(p.meta.Labels)) {
			continue
		}
		port := c.target(p, svc.Spec.Ports[i])
		if listen, _ := flagOf(p.spec.Containers[0].Args, "listen"); !strings.HasSuffix(listen, ":"+strconv.Itoa(int(port))) {
			c.fault(p.id, "it listens at %q, and the Service leads to port %d", listen, port)
		}
		if !c.reach(from.Labels, p.meta.Labels, port) {
			c.fault(id, "no NetworkPolicy lets it reach port %d of %s", port, p.id)
		}
	}
}

// target is the port of a pod that a Service leads to, or 0.
func (c *checking) target(p pod, sp core.ServicePort) int32 {
	for _, ctr := range p.spec.Containers {
		for _, port := range ctr.Ports {
			if sp.TargetPort.StrVal == port.Name && port.Name != "" || sp.TargetPort.StrVal == "" && sp.TargetPort.IntVal == port.ContainerPort {
				return port.ContainerPort
			}
		}
	}
	return 0
}

// deadlines holds those who wait for the load to its own.
func (c *checking) deadlines(load *batch.Job) {
	id := "Job/" + load.Name
	limit, grace := load.Spec.ActiveDeadlineSeconds, load.Spec.Template.Spec.TerminationGracePeriodSeconds
	if limit == nil || grace == nil || load.Spec.TTLSecondsAfterFinished == nil {
		c.fault(id, "want activeDeadlineSeconds, terminationGracePeriodSeconds and ttlSecondsAfterFinished")
		return
	}
	end := time.Duration(*limit+*grace) * time.Second
	cleanup, err := time.ParseDuration(c.objs.ConfigMap("scaletest-config")["CODER_SCALETEST_CLEANUP_TIMEOUT"])
	if err != nil || cleanup+time.Minute > time.Duration(*grace)*time.Second {
		c.fault(id, "its pods have %d s to end, and CODER_SCALETEST_CLEANUP_TIMEOUT is %v", *grace, cleanup)
	}
	for _, p := range c.objs.pods() {
		if p.job == nil || p.job == load {
			continue
		}
		args := p.spec.Containers[0].Args
		last := end
		for _, name := range []string{"timeout", "keep"} {
			if text, ok := flagOf(args, name); ok {
				d, err := time.ParseDuration(text)
				if err != nil {
					c.fault(p.id, "-%s is %q, want a duration", name, text)
				}
				last += d
			}
		}
		if own := p.job.Spec.ActiveDeadlineSeconds; own == nil || time.Duration(*own)*time.Second < last {
			c.fault(p.id, "want activeDeadlineSeconds of %.0f or more: what it waits for may take so long", last.Seconds())
		}
	}
}

// A cleanup is for so many workspaces, each of which takes a provisioner so long. What is
// begun at a time may have to share as few provisioners as a server has by default.
const (
	most         = 10_000
	oneTakes     = 20 * time.Second
	provisioners = 3
)

// deletes holds a cleanup to times in which it can delete what a load may have made.
func (c *checking) deletes() {
	for id, j := range all[batch.Job](c.objs) {
		args := j.Spec.Template.Spec.Containers[0].Args
		if args[0] != "cleanup" {
			continue
		}
		value := func(name string) string { v, _ := flagOf(args, name); return v }
		atATime, err1 := strconv.Atoi(value("concurrency"))
		all, err2 := time.ParseDuration(value("timeout"))
		one, err3 := time.ParseDuration(value("job-timeout"))
		if err := errors.Join(err1, err2, err3); err != nil || atATime < 1 {
			c.fault(id, "want -concurrency, -timeout and -job-timeout, because the defaults are for few workspaces: %v", err)
			continue
		}
		if need := most * oneTakes / time.Duration(atATime); all < need {
			c.fault(id, "-timeout is %v, want %v or more: %d workspaces take so long, %d at a time", all, need, most, atATime)
		}
		if need := time.Duration(atATime) * oneTakes / provisioners; one < need {
			c.fault(id, "-job-timeout is %v, want %v or more: %d at a time take so long, of %d provisioners", one, need, atATime, provisioners)
		}
	}
}

// services holds each to having pods.
func (c *checking) services() {
	for id, s := range all[core.Service](c.objs) {
		found := false
		for _, p := range c.objs.pods() {
			if !labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(p.meta.Labels)) {
				continue
			}
			found = true
			for _, sp := range s.Spec.Ports {
				if c.target(p, sp) == 0 {
					c.fault(id, "%s has no port %s", p.id, sp.TargetPort.String())
				}
			}
		}
		if !found {
			c.fault(id, "its selector matches no pod")
		}
	}
}

// budgets holds pods to one each, because of two the API server evicts by none.
func (c *checking) budgets() {
	for id, d := range all[apps.Deployment](c.objs) {
		var found []string
		for _, b := range all[policy.PodDisruptionBudget](c.objs) {
			if c.selects(b.Spec.Selector, d.Spec.Template.Labels) {
				found = append(found, b.Name)
			}
		}
		if len(found) > 1 {
			slices.Sort(found)
			c.fault(id, "its pods can't be evicted, because more than one PodDisruptionBudget is about them: %s", strings.Join(found, ", "))
		}
	}
}

// monitors holds each to pods with such a port, which Prometheus may reach.
func (c *checking) monitors() {
	for id, m := range all[monitoring.PodMonitor](c.objs) {
		found := false
		for _, p := range c.objs.pods() {
			if !c.selects(&m.Spec.Selector, p.meta.Labels) {
				continue
			}
			for _, e := range m.Spec.PodMetricsEndpoints {
				for _, port := range p.spec.Containers[0].Ports {
					if e.Port == nil || port.Name != *e.Port {
						continue
					}
					found = true
					if at := env(p.spec.Containers[0], "CODER_SCALETEST_PROMETHEUS_ADDRESS").Value; at != ":"+strconv.Itoa(int(port.ContainerPort)) {
						c.fault(p.id, "its metrics are at %q, and its port is %d", at, port.ContainerPort)
					}
					if !c.enters(map[string]string{"app.kubernetes.io/name": "prometheus"}, p.meta.Labels, port.ContainerPort, "elsewhere") {
						c.fault(p.id, "no NetworkPolicy lets Prometheus reach port %d", port.ContainerPort)
					}
				}
			}
		}
		if !found {
			c.fault(id, "it matches no port of a pod")
		}
	}
}

// roles holds them to the least: to get one Job that is there.
func (c *checking) roles() {
	for id, r := range all[rbac.Role](c.objs) {
		for _, rule := range r.Rules {
			if !slices.Equal(rule.Verbs, []string{"get"}) || !slices.Equal(rule.Resources, []string{"jobs"}) || len(rule.ResourceNames) != 1 {
				c.fault(id, "it allows more than to get one Job")
				continue
			}
			if c.objs.Job(rule.ResourceNames[0]) == nil {
				c.fault(id, "there is no Job %s", rule.ResourceNames[0])
			}
		}
	}
	for id, b := range all[rbac.RoleBinding](c.objs) {
		if find[rbac.Role](c.objs, b.RoleRef.Name) == nil {
			c.fault(id, "there is no Role %s", b.RoleRef.Name)
		}
		for _, s := range b.Subjects {
			if sa := find[core.ServiceAccount](c.objs, s.Name); sa == nil || sa.Namespace != s.Namespace {
				c.fault(id, "there is no ServiceAccount %s/%s", s.Namespace, s.Name)
			}
		}
	}
}

// selects reports whether a selector matches labels. One that is none is a fault.
func (c *checking) selects(s *meta.LabelSelector, set map[string]string) bool {
	sel, err := meta.LabelSelectorAsSelector(s)
	if err != nil {
		c.fault("selector", "%v", err)
		return false
	}
	return sel.Matches(labels.Set(set))
}

// env is a variable of a container, or the zero value.
func env(ctr core.Container, name string) core.EnvVar {
	for _, e := range ctr.Env {
		if e.Name == name {
			return e
		}
	}
	return core.EnvVar{}
}

// policies holds every pod to being shut but for what is allowed, and every policy to
// being about a pod.
func (c *checking) policies() {
	for id, n := range all[networking.NetworkPolicy](c.objs) {
		if !slices.ContainsFunc(c.objs.pods(), func(p pod) bool { return c.selects(&n.Spec.PodSelector, p.meta.Labels) }) {
			c.fault(id, "it is about no pod")
		}
	}
	for _, p := range c.objs.pods() {
		shut := false
		for _, n := range all[networking.NetworkPolicy](c.objs) {
			shut = shut || len(n.Spec.PolicyTypes) == 2 && len(n.Spec.Ingress)+len(n.Spec.Egress) == 0 && c.selects(&n.Spec.PodSelector, p.meta.Labels)
		}
		if !shut {
			c.fault(p.id, "no NetworkPolicy shuts it")
			continue
		}
		goes := func(ports ...int32) bool {
			return !slices.ContainsFunc(ports, func(port int32) bool { return !c.leaves(p.meta.Labels, nil, port, "") })
		}
		if _, waits := flagOf(p.spec.Containers[0].Args, "after-job"); waits && !goes(443, 6443, 8443) {
			c.fault(p.id, "no NetworkPolicy lets it reach the Kubernetes API at 443, 6443 and 8443, which are the ports that it has")
		}
		if env(p.spec.Containers[0], "CODER_SESSION_TOKEN").Name != "" && !goes(53, 80, 443, 8080, 8443) {
			c.fault(p.id, "no NetworkPolicy lets it reach the deployment")
		}
		coderd := map[string]string{"app.kubernetes.io/name": "coder"}
		if p.job != nil && p.job == c.objs.Load() && !c.leaves(p.meta.Labels, coderd, 2112, "elsewhere") {
			c.fault(p.id, "no NetworkPolicy lets it reach port 2112 of coderd, where its metrics are")
		}
	}
}
