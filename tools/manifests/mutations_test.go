package manifests_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/tools/manifests"
)

func TestEachFaultOfManifestsIsFoundAndNamed(t *testing.T) {
	all, built := overlays(t), map[string][]byte{}
	for _, c := range []struct{ name, overlay, old, new, says string }{
		// The form.
		{"a field that there is not", "base", "completionMode:", "completionsMode:", `Job/scaletest: unknown field "spec.completionsMode"`},
		{"a field in other letters", "base", "completionMode:", "completionmode:", `unknown field "spec.completionmode"`},
		{"a number as a text", "base", "completions: 2", `completions: "2"`, "cannot unmarshal string"},
		{"a text as a number", "base", `value: "2"`, "value: 2", "cannot unmarshal number"},
		{"a field that is there twice", "base", "completions: 2", "completions: 2\n  completions: 3", "already set in map"},
		{"a version that there is not", "base", "apiVersion: batch/v1\n", "apiVersion: batch/v2\n", "there is no Job in batch/v2"},
		{"a field that a monitor has not", "monitoring", "podMetricsEndpoints:", "endpoints:", `unknown field "spec.endpoints"`},

		// Shards.
		{"other shards than pods", "base", "completions: 2", "completions: 3", "completions and parallelism differ"},
		{"other shards than completions", "base", "completions: 2\n  parallelism: 2", "completions: 3\n  parallelism: 3", `CODER_SCALETEST_SHARDS is "2", and completions 3`},
		{"a collector of fewer", "ssh", "name: SHARDS\n          value: \"10\"", "name: SHARDS\n          value: \"9\"", `Job/scaletest-collector: SHARDS is "9", and completions 10`},
		{"a shard that is tried again", "base", "backoffLimitPerIndex: 0", "backoffLimitPerIndex: 1", "want backoffLimitPerIndex 0"},
		{"a shard that ends the others", "base", "backoffLimitPerIndex: 0", "backoffLimit: 0", "want backoffLimitPerIndex 0"},
		{"a twin of a pod that ends", "base", "podReplacementPolicy: Failed\n  template:\n    metadata:\n      annotations:\n        cluster-autoscaler.kubernetes.io/safe-to-evict: \"false\"\n        karpenter.sh/do-not-disrupt: \"true\"\n      labels:\n        app.kubernetes.io/component: load", "template:\n    metadata:\n      annotations:\n        cluster-autoscaler.kubernetes.io/safe-to-evict: \"false\"\n        karpenter.sh/do-not-disrupt: \"true\"\n      labels:\n        app.kubernetes.io/component: load", "want podReplacementPolicy Failed"},
		{"an eviction that is overlooked", "base", "action: FailIndex", "action: Ignore", "has the action Ignore"},
		{"another run for each shard", "base", "metadata.labels['batch.kubernetes.io/controller-uid']", "metadata.uid", "CODER_SCALETEST_RUN_ID is not metadata.labels"},
		{"a name instead of a number", "base", "metadata.annotations['batch.kubernetes.io/job-completion-index']", "metadata.name", "JOB_COMPLETION_INDEX is not metadata.annotations"},
		{"nowhere to meet", "base", "        - name: CODER_SCALETEST_COLLECTOR\n          value: http://scaletest-collector:21113\n", "", "want either CODER_SCALETEST_COLLECTOR or CODER_SCALETEST_START_AT"},
		{"pods that spread against others", "base", "topologySpreadConstraints:\n      - labelSelector:\n          matchLabels:\n            app.kubernetes.io/component: load", "topologySpreadConstraints:\n      - labelSelector:\n          matchLabels:\n            app.kubernetes.io/component: lode", "topologySpreadConstraints select other pods"},

		// The collector.
		{"a wrong port in the address", "base", "scaletest-collector:21113", "scaletest-collector:21114", "the Service scaletest-collector has no port 21114"},
		{"a wrong host in the address", "base", "http://scaletest-collector", "http://collector", "there is no Service collector"},
		{"a wrong port to listen at", "base", "-listen=:21113", "-listen=:21112", `it listens at ":21112", and the Service leads to port 21113`},
		{"a wrong port of the container", "base", "containerPort: 21113", "containerPort: 21114", "the Service leads to port 21114"},
		{"a service without pods", "base", "selector:\n    app.kubernetes.io/component: collector", "selector:\n    app.kubernetes.io/component: collectors", "Service/scaletest-collector: its selector matches no pod"},
		{"a service to no port", "base", "targetPort: http", "targetPort: web", "has no port web"},
		{"a policy for another port", "base", "app.kubernetes.io/component: load\n          app.kubernetes.io/name: scaletest\n    ports:\n    - port: 21113", "app.kubernetes.io/component: load\n          app.kubernetes.io/name: scaletest\n    ports:\n    - port: 21112", "no NetworkPolicy lets it reach port 21113"},
		{"a policy for other pods", "base", "- from:\n    - podSelector:\n        matchLabels:\n          app.kubernetes.io/component: load", "- from:\n    - podSelector:\n        matchLabels:\n          app.kubernetes.io/component: loader", "no NetworkPolicy lets it reach port 21113"},
		{"a verdict that is tried again", "base", "values:\n        - 1", "values:\n        - 3", "Job/scaletest-collector: want a podFailurePolicy that ignores disruptions"},
		{"a merge that is tried again", "volume", "action: FailJob", "action: Count", "Job/scaletest-merge: want a podFailurePolicy"},

		// The network.
		{"a pod that is open", "base", "  policyTypes:\n  - Ingress\n  - Egress", "  policyTypes:\n  - Ingress", "no NetworkPolicy shuts it"},
		{"a policy about nobody", "base", "- cleanup\n      - merge", "- merge", "NetworkPolicy/scaletest-observer: it is about no pod"},
		{"no names", "base", "    - port: 53\n      protocol: TCP\n", "", "no NetworkPolicy lets it reach the deployment"},
		{"no deployment in the cluster", "base", "    - port: 8080\n", "", "no NetworkPolicy lets it reach the deployment"},
		{"no API server", "base", "    - port: 6443\n", "", "no NetworkPolicy lets it reach the Kubernetes API"},
		{"no API server of minikube for a merge", "volume", "    - port: 6443\n    - port: 8443\n", "    - port: 6443\n", "Job/scaletest-merge: no NetworkPolicy lets it reach the Kubernetes API"},
		{"the metadata of AWS", "base", "        - fd00:ec2::/32\n", "", "NetworkPolicy/scaletest-coder: it lets pods ask fd00:ec2::254, which is a cloud's metadata"},
		{"the metadata of Google", "base", "fd20:ce::254/128", "fd20:ce::255/128", "it lets pods ask fd20:ce::254"},
		{"the metadata of all", "base", "169.254.0.0/16", "169.253.0.0/16", "it lets pods ask 169.254.169.254"},
		{"metadata by a rule for anybody", "base", "  - ports:\n    - port: 443\n    - port: 6443\n", "  - ports:\n    - port: 80\n    - port: 443\n    - port: 6443\n", "NetworkPolicy/scaletest-observer: it lets pods ask 169.254.169.254"},
		{"an exception that is no network", "base", "168.63.129.16/32", "168.63.129.16", "no '/'"},
		{"no metrics of coderd", "base", "    - port: 2112\n", "    - port: 2113\n", "Job/scaletest: no NetworkPolicy lets it reach port 2112 of coderd"},
		{"metrics of a coderd in this namespace alone", "base", "    - namespaceSelector: {}\n      podSelector:\n        matchLabels:\n          app.kubernetes.io/name: coder\n", "    - podSelector:\n        matchLabels:\n          app.kubernetes.io/name: coder\n", "Job/scaletest: no NetworkPolicy lets it reach port 2112 of coderd"},

		// Times.
		{"a pod that is killed while it cleans up", "base", "CODER_SCALETEST_CLEANUP_TIMEOUT: 10m", "CODER_SCALETEST_CLEANUP_TIMEOUT: 30m", "its pods have 900 s to end, and CODER_SCALETEST_CLEANUP_TIMEOUT is 30m0s"},
		{"a cleanup that is ended while it waits", "base", "activeDeadlineSeconds: 7200", "activeDeadlineSeconds: 72000", "Job/scaletest-cleanup: want activeDeadlineSeconds of 80100 or more"},
		{"a cleanup that is ended while it deletes", "base", "activeDeadlineSeconds: 18000", "activeDeadlineSeconds: 14400", "Job/scaletest-cleanup: want activeDeadlineSeconds of 15300 or more"},
		{"a cleanup for few workspaces", "base", "-concurrency=50", "-concurrency=10", "Job/scaletest-cleanup: -timeout is 2h0m0s, want 5h33m20s or more: 10000 workspaces take so long, 10 at a time"},
		{"deletions that are given up in the queue", "base", "-job-timeout=20m", "-job-timeout=5m", "-job-timeout is 5m0s, want 5m33.333333333s or more"},
		{"a cleanup in no time", "base", "-timeout=2h", "-timeout=two", "want -concurrency, -timeout and -job-timeout"},
		{"a load without an end", "base", "activeDeadlineSeconds: 7200\n", "\n", "want activeDeadlineSeconds, terminationGracePeriodSeconds and ttlSecondsAfterFinished"},

		// What things refer to.
		{"a secret that nobody makes", "base", "name: scaletest-token", "name: scaletest-tokens", "there is no key CODER_SESSION_TOKEN in a Secret scaletest-tokens"},
		{"a key that nobody makes", "base", "key: CODER_SESSION_TOKEN", "key: token", "there is no key token in a Secret scaletest-token"},
		{"a ConfigMap that is not there", "base", "configMapRef:\n            name: scaletest-config", "configMapRef:\n            name: config", "there is no ConfigMap config"},
		{"a start that nobody makes", "volume", "name: scaletest-start", "name: start", "there is no key CODER_SCALETEST_START_AT in a ConfigMap start"},
		{"a file that is not there", "scenario", "name: scaletest-scenario\n        name: scenario", "name: scaletest-scenarios\n        name: scenario", "there is no ConfigMap scaletest-scenarios"},
		{"a claim that is not there", "claim", "claimName: scaletest-results", "claimName: results", "there is no PersistentVolumeClaim results"},
		{"a volume that is not there", "base", "mountPath: /tmp\n          name: tmp", "mountPath: /tmp\n          name: temp", "there is no volume temp"},
		{"results to nowhere", "base", "mountPath: /results", "mountPath: /result", "writes to /results/$(RUN), which is in no volume"},
		{"nowhere for a ledger", "base", "mountPath: /tmp\n          name: tmp", "mountPath: /var/tmp\n          name: tmp", "writes to /tmp/scaletest/$(CODER_SCALETEST_RUN_ID)/shards/$(JOB_COMPLETION_INDEX), which is in no volume"},
		{"a shard that writes where the last run did", "volume", "/tmp/scaletest/$(CODER_SCALETEST_RUN_ID)/shards", "/tmp/scaletest/shards", "Job/scaletest: shard writes to /tmp/scaletest/shards/$(JOB_COMPLETION_INDEX) on a volume that stays"},
		{"a result where the last one was", "volume", "-o=/results/{uid}/result.json", "-o=/results/result.json", "Job/scaletest-merge: merge writes to /results/result.json on a volume that stays"},
		{"a collector that writes where the last one did", "claim", "-o=/results/$(RUN)", "-o=/results/$(SHARDS)", "Job/scaletest-collector: collector writes to /results/$(SHARDS) on a volume that stays"},
		{"a merge of all runs", "volume", "- /results/{uid}/shards", "- /results", `it merges /results, and shards write to "scaletest-results/$(CODER_SCALETEST_RUN_ID)/shards/$(JOB_COMPLETION_INDEX)"`},
		{"a merge of another folder", "volume", "- /results/{uid}/shards", "- /results/{uid}/shard", "it merges /results/{uid}/shard, and shards write to"},
		{"a variable that nobody reads", "base", "CODER_SCALETEST_DURATION:", "CODER_SCALETEST_DURATIONS:", "ConfigMap/scaletest-config: nobody reads CODER_SCALETEST_DURATIONS"},
		{"a variable of a pod that nobody reads", "base", "name: CODER_SCALETEST_ARTIFACTS", "name: CODER_SCALETEST_ARTEFACTS", "nobody reads CODER_SCALETEST_ARTEFACTS"},
		{"a variable of Go that nobody reads", "base", "name: GOMAXPROCS", "name: GOMAXPROC", "Job/scaletest: nobody reads GOMAXPROC"},
		{"a variable for nobody", "base", "name: RUN\n", "name: RUNS\n", "Job/scaletest-collector: nobody reads RUNS"},
		{"a value of a variable that comes later", "base", "- name: JOB_COMPLETION_INDEX", "- name: INDEX", "refers to JOB_COMPLETION_INDEX, which does not come before it"},
		{"an argument of nothing", "base", "$(SHARDS)", "$(SHARD)", "an argument refers to SHARD"},
		{"a command that is not in the image", "base", "- /scaletest.test", "- /scaletests", "there is no command /scaletests"},
		{"a subcommand that there is not", "base", "- collect\n", "- collector\n", "there is no command /scaletest collector in the image"},
		{"a flag that there was once", "base", "-wait=30m", "-timeout=30m", "/scaletest collect has no flag -timeout"},
		{"a flag of a test binary that there is not", "base", "-test.timeout=0", "-test.time=0", "/scaletest.test has no flag -test.time"},
		{"a test that there is not", "base", "^TestTerminals$", "^TestTerminal$", "there is no test ^TestTerminal$"},
		{"a Job that nobody makes", "base", "-after-job=scaletest\n", "-after-job=scaletests\n", "there is no Job scaletests to wait for"},
		{"an image that may be anything", "base", "image: scaletest:local", "image: scaletest", `the image is "scaletest"`},

		// Rights.
		{"a role for another Job", "base", "resourceNames:\n  - scaletest", "resourceNames:\n  - load", "Role/scaletest-observer: there is no Job load"},
		{"a role for more", "base", "verbs:\n  - get", "verbs:\n  - get\n  - delete", "it allows more than to get one Job"},
		{"a role for all Jobs", "base", "resourceNames:\n  - scaletest\n  resources", "resources", "it allows more than to get one Job"},
		{"a role for nobody", "base", "subjects:\n- kind: ServiceAccount\n  name: scaletest-observer", "subjects:\n- kind: ServiceAccount\n  name: default", "there is no ServiceAccount scaletest/default"},
		{"a token for the load", "base", "automountServiceAccountToken: false\n      containers:\n      - args:\n        - -test.run", "automountServiceAccountToken: true\n      containers:\n      - args:\n        - -test.run", "Job/scaletest: want a service account's token where there is -after-job"},
		{"no token for the cleanup", "base", "automountServiceAccountToken: true", "automountServiceAccountToken: false", "Job/scaletest-cleanup: want a service account's token"},

		// Pods.
		{"root", "base", "runAsNonRoot: true", "runAsNonRoot: false", "want runAsNonRoot"},
		{"root by number", "base", "runAsUser: 65532", "runAsUser: 0", "runAsUser is root"},
		{"no seccomp", "base", "type: RuntimeDefault", "type: Unconfined", "want the seccompProfile RuntimeDefault"},
		{"a root that can be written", "base", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "want no privilege escalation, a read-only root, and no capabilities"},
		{"capabilities", "base", "drop:\n            - ALL", "drop:\n            - NET_RAW", "and no capabilities"},
		{"an unsafe sysctl", "base", "net.ipv4.ip_local_port_range", "net.core.somaxconn", "the sysctl net.core.somaxconn is not known to be safe"},
		{"the host's network", "base", "enableServiceLinks: false", "enableServiceLinks: false\n      hostNetwork: true", "it shares the host's network"},
		{"a pod that may be moved", "base", `safe-to-evict: "false"`, `safe-to-evict: "true"`, "want the annotations by which autoscalers leave it alone"},
		{"a pod that starts again", "base", "restartPolicy: Never", "restartPolicy: OnFailure", "want restartPolicy Never"},
		{"memory that is not there", "base", "requests:\n            cpu: \"2\"\n            ephemeral-storage: 1Gi\n            memory: 2Gi", "requests:\n            cpu: \"2\"\n            memory: 1Gi", "its memory's request and limit differ"},
		{"more for Go than there is", "base", "value: 1600MiB", "value: 2000MiB", `GOMEMLIMIT is "2000MiB", want 60 to 90 % of 2Gi`},
		{"a throttled generator", "base", "limits:\n            ephemeral-storage: 2Gi", "limits:\n            cpu: \"2\"\n            ephemeral-storage: 2Gi", "want a request for CPU, and no limit"},

		// coderd.
		{"a second budget for the same pods", "coderd", "apiVersion: policy/v1\nkind: PodDisruptionBudget", "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata:\n  name: theirs\nspec:\n  minAvailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/instance: coder\n---\napiVersion: policy/v1\nkind: PodDisruptionBudget", "Deployment/coder: its pods can't be evicted, because more than one PodDisruptionBudget is about them: coder-scaletest, theirs"},

		// Monitoring.
		{"a monitor of nobody", "monitoring", "selector:\n    matchLabels:\n      app.kubernetes.io/component: load", "selector:\n    matchLabels:\n      app.kubernetes.io/component: loads", "PodMonitor/scaletest: it matches no port of a pod"},
		{"a monitor of no port", "monitoring", "port: metrics", "port: metric", "PodMonitor/scaletest: it matches no port of a pod"},
		{"metrics elsewhere", "monitoring", "value: :21112", "value: :9090", `its metrics are at ":9090", and its port is 21112`},
		{"metrics behind a wall", "monitoring", "ports:\n    - port: 21112", "ports:\n    - port: 21111", "no NetworkPolicy lets Prometheus reach port 21112"},
		{"metrics for this namespace alone", "monitoring", "- namespaceSelector: {}\n      podSelector:\n        matchLabels:\n          app.kubernetes.io/name: prometheus", "- podSelector:\n        matchLabels:\n          app.kubernetes.io/name: prometheus", "no NetworkPolicy lets Prometheus reach port 21112"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, ok := built[c.overlay]
			if !ok {
				var err error
				_, text, err = manifests.Build(all[c.overlay])
				require.NoError(t, err)
				built[c.overlay] = text
			}
			require.Contains(t, string(text), c.old)
			objs, err := manifests.Decode([]byte(strings.Replace(string(text), c.old, c.new, 1)))
			faults := ""
			if err != nil {
				faults = err.Error()
			} else {
				faults = strings.Join(manifests.Check(objs, known(t)), "\n")
			}
			require.Contains(t, faults, c.says)
		})
	}
}
