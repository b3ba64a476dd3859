# The pod, its scripts and its secrets.

mock_provider "kubernetes" {}

variables {
  namespace    = "coder"
  token_secret = "scaletest-token"
}

override_data {
  target = data.coder_workspace.me
  values = {
    start_count = 1
    id          = "8fe79a6e-5f0d-4d1f-9f5a-3f5b9a0c0001"
    name        = "runner"
    access_url  = "https://coder.example.com"
  }
}

override_data {
  target = data.coder_workspace_owner.me
  values = {
    id   = "8fe79a6e-5f0d-4d1f-9f5a-3f5b9a0c0002"
    name = "alice"
  }
}

run "pod" {
  assert {
    condition = (
      kubernetes_pod.workspace[0].metadata[0].name == "coder-scaletest-runner-8fe79a6e-5f0d-4d1f-9f5a-3f5b9a0c0001" &&
      kubernetes_pod.workspace[0].metadata[0].namespace == "coder" &&
      kubernetes_pod.workspace[0].metadata[0].annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    )
    error_message = "The pod is not where or what it should be, or may be evicted in mid-test."
  }
  assert {
    condition     = kubernetes_pod.workspace[0].spec[0].init_container[0].command == tolist(["/scaletest", "install", "/opt/scaletest", "scaletest.test"])
    error_message = "The programs are not installed where the scripts look for them, or need a shell for it."
  }
  assert {
    condition = alltrue(flatten([for c in concat(kubernetes_pod.workspace[0].spec[0].container, kubernetes_pod.workspace[0].spec[0].init_container) : [
      c.security_context[0].run_as_non_root, !c.security_context[0].allow_privilege_escalation,
      [for q in [c.resources[0].requests, c.resources[0].limits] : q.cpu == "4" && q.memory == "8Gi"],
    ]]))
    error_message = "A container may more than it needs, or shares its cores."
  }
  assert {
    condition     = kubernetes_pod.workspace[0].timeouts.create == "20m"
    error_message = "A build fails while the cluster makes a node: the provider gives up after five minutes."
  }
  assert {
    condition = (
      kubernetes_pod.workspace[0].spec[0].security_context[0].run_as_non_root &&
      kubernetes_pod.workspace[0].spec[0].security_context[0].seccomp_profile[0].type == "RuntimeDefault" &&
      alltrue([for c in concat(kubernetes_pod.workspace[0].spec[0].container, kubernetes_pod.workspace[0].spec[0].init_container) :
        !c.security_context[0].allow_privilege_escalation && c.security_context[0].run_as_non_root &&
        c.security_context[0].capabilities[0].drop == tolist(["ALL"]) && try(length(c.security_context[0].capabilities[0].add), 0) == 0
      ])
    )
    error_message = "A namespace with the Pod Security level restricted refuses the pod: ${jsonencode(kubernetes_pod.workspace[0].spec[0].security_context)}"
  }
  assert {
    condition     = kubernetes_pod.workspace[0].spec[0].termination_grace_period_seconds > coder_script.stop.timeout && coder_script.stop.timeout == 1800
    error_message = "The pod is killed before the cleanup of a stop may be over."
  }
  assert {
    condition     = length(kubernetes_persistent_volume_claim.results) == 1 && kubernetes_persistent_volume_claim.results[0].spec[0].resources[0].requests.storage == "10Gi"
    error_message = "Results go with the pod."
  }
  assert {
    condition     = [for v in kubernetes_pod.workspace[0].spec[0].volume : v.name] == ["programs", "results"]
    error_message = "The volumes are others: ${jsonencode(kubernetes_pod.workspace[0].spec[0].volume[*].name)}"
  }
}

run "scripts" {
  assert {
    condition     = coder_script.campaign.run_on_start && !coder_script.campaign.start_blocks_login && strcontains(coder_script.campaign.script, "\n${local.campaign}\n")
    error_message = "The script does not start the campaign with its configuration: ${coder_script.campaign.script}"
  }
  assert {
    condition     = coder_script.stop.run_on_stop && coder_script.stop.script == "/opt/scaletest/scaletest campaign -stop -timeout 30m /home/coder/scaletest/campaign.json"
    error_message = "The stop does not end the campaign: ${coder_script.stop.script}"
  }
  assert {
    condition     = coder_app.campaign.url == "http://localhost:8080" && !coder_app.campaign.subdomain && one(coder_app.campaign.healthcheck).url == "http://localhost:8080/healthz"
    error_message = "The page is not the app's."
  }
}

run "secrets" {
  variables {
    grafana_secret = "scaletest-grafana"
    webhook_secret = "scaletest-webhook"
    webhook_url    = "https://chat.example.com/hook"
  }

  assert {
    condition = { for e in kubernetes_pod.workspace[0].spec[0].container[0].env : e.name => "${e.value_from[0].secret_key_ref[0].name}/${e.value_from[0].secret_key_ref[0].key}" if e.name != "CODER_AGENT_TOKEN" } == {
      CODER_SESSION_TOKEN     = "scaletest-token/token"
      SCALETEST_GRAFANA_TOKEN = "scaletest-grafana/token"
      SCALETEST_WEBHOOK_URL   = "scaletest-webhook/url"
    }
    error_message = "The tokens are not those of the Secrets."
  }
  assert {
    condition     = alltrue([for e in kubernetes_pod.workspace[0].spec[0].container[0].env : e.value == null || e.value == "" if e.name != "CODER_AGENT_TOKEN"])
    error_message = "A token is in the pod's own text."
  }
  assert {
    condition     = !can(regex("(?i)token|secret", local.campaign)) && !strcontains(coder_script.campaign.script, "TOKEN")
    error_message = "The configuration has something of a token: ${local.campaign}"
  }
}

run "variables" {
  variables {
    results_size     = 0
    cpu              = "500m"
    memory           = "512Mi"
    stop_minutes     = 5
    scaletest_image  = "example.com/scaletest:1"
    workspace_image  = "example.com/workspace:1"
    token_secret_key = "CODER_SESSION_TOKEN"
    subdomain        = true
    node_affinity    = "{cloud.google.com/gke-nodepool: [generators]}"
    tolerations      = "[{key: dedicated, value: scaletest, effect: NoSchedule}]"
  }

  assert {
    condition     = length(kubernetes_persistent_volume_claim.results) == 0 && kubernetes_pod.workspace[0].spec[0].volume[1].name == "results" && length(kubernetes_pod.workspace[0].spec[0].volume[1].empty_dir) == 1
    error_message = "Without a volume there is no folder for results."
  }
  assert {
    condition = (
      kubernetes_pod.workspace[0].spec[0].container[0].image == "example.com/workspace:1" && kubernetes_pod.workspace[0].spec[0].init_container[0].image == "example.com/scaletest:1" &&
      kubernetes_pod.workspace[0].spec[0].container[0].resources[0].limits.cpu == "500m" && coder_script.stop.timeout == 300 && coder_app.campaign.subdomain
    )
    error_message = "A variable of the pod does nothing."
  }
  assert {
    condition     = [for e in kubernetes_pod.workspace[0].spec[0].container[0].env : e.value_from[0].secret_key_ref[0].key if e.name == "CODER_SESSION_TOKEN"] == ["CODER_SESSION_TOKEN"]
    error_message = "The key of the Secret is not that of the variable."
  }
  assert {
    condition = (
      kubernetes_pod.workspace[0].spec[0].affinity[0].node_affinity[0].required_during_scheduling_ignored_during_execution[0].node_selector_term[0].match_expressions[0].key == "cloud.google.com/gke-nodepool" &&
      kubernetes_pod.workspace[0].spec[0].toleration[0].key == "dedicated"
    )
    error_message = "The pod goes to any node."
  }
}

run "stopped" {
  override_data {
    target = data.coder_workspace.me
    values = {
      start_count = 0
      id          = "8fe79a6e-5f0d-4d1f-9f5a-3f5b9a0c0001"
      name        = "runner"
      access_url  = "https://coder.example.com"
    }
  }

  assert {
    condition     = length(kubernetes_pod.workspace) == 0 && length(kubernetes_persistent_volume_claim.results) == 1
    error_message = "A workspace that is stopped keeps its pod, or loses its results."
  }
}

run "invalid" {
  command = plan

  variables {
    namespace        = "Not A Namespace"
    token_secret     = "Not A Secret"
    token_secret_key = "not a key"
    coder_url        = "https://me:password@coder.example.com"
    template_prefix  = "a b"
    cpu              = "many"
    memory           = "8GB"
    results_size     = -1
    stop_minutes     = 0
    grafana_url      = "grafana"
    grafana_secret   = "_"
    webhook_url      = "https://me:password@chat.example.com"
    webhook_secret   = "_"
    workspace_image  = ""
    scaletest_image  = ""
    user_id          = 0
    arch             = "vax"
    node_affinity    = "{"
    tolerations      = "key"
  }

  expect_failures = [
    var.namespace, var.token_secret, var.token_secret_key, var.coder_url, var.template_prefix, var.cpu, var.memory, var.results_size,
    var.stop_minutes, var.grafana_url, var.grafana_secret, var.webhook_url, var.webhook_secret, var.workspace_image, var.scaletest_image,
    var.user_id, var.arch, var.node_affinity, var.tolerations,
  ]
}
