# What holds for all sizes.

mock_provider "coder" {
  mock_data "coder_workspace" {
    defaults = {
      start_count = 1
      id          = "8fe79a6e-5f0d-4d1f-9f5a-3f5b9a0c0001"
      name        = "scaletest-abc-1"
    }
  }
  mock_data "coder_workspace_owner" {
    defaults = {
      id   = "8fe79a6e-5f0d-4d1f-9f5a-3f5b9a0c0002"
      name = "scaletest-abc-2"
    }
  }
}

mock_provider "kubernetes" {}

variables {
  namespace = "coder-workspaces"
}

run "pod" {
  assert {
    condition     = length(kubernetes_pod.workspace) == 1
    error_message = "A workspace that is started has ${length(kubernetes_pod.workspace)} pods."
  }
  assert {
    condition = (
      kubernetes_pod.workspace[0].metadata[0].namespace == "coder-workspaces" &&
      kubernetes_pod.workspace[0].metadata[0].name == "coder-scaletest-8fe79a6e-5f0d-4d1f-9f5a-3f5b9a0c0001"
    )
    error_message = "The pod is not where or what it should be: ${jsonencode(kubernetes_pod.workspace[0].metadata[0].name)}"
  }
  assert {
    condition     = kubernetes_pod.workspace[0].metadata[0].annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    error_message = "The autoscaler may evict the pod in mid-test."
  }
  assert {
    condition = (
      kubernetes_pod.workspace[0].metadata[0].labels["com.coder.workspace.name"] == "scaletest-abc-1" &&
      kubernetes_pod.workspace[0].metadata[0].labels["com.coder.user.username"] == "scaletest-abc-2"
    )
    error_message = "The labels do not say whose workspace it is: ${jsonencode(kubernetes_pod.workspace[0].metadata[0].labels)}"
  }
  assert {
    condition     = alltrue([for v in kubernetes_pod.workspace[0].spec[0].volume : length(v.empty_dir) == 1 && length(v.persistent_volume_claim) == 0 && length(v.host_path) == 0])
    error_message = "The pod claims a volume, want none that outlives it."
  }
  assert {
    condition = (
      kubernetes_pod.workspace[0].spec[0].security_context[0].run_as_non_root &&
      tonumber(kubernetes_pod.workspace[0].spec[0].security_context[0].run_as_user) == 1000 &&
      alltrue([for c in concat(kubernetes_pod.workspace[0].spec[0].container, kubernetes_pod.workspace[0].spec[0].init_container) : !c.security_context[0].allow_privilege_escalation])
    )
    error_message = "Something in the pod may become root."
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
    condition     = !kubernetes_pod.workspace[0].spec[0].automount_service_account_token
    error_message = "The workspace gets a token of the cluster."
  }
  assert {
    condition = (
      length(kubernetes_pod.workspace[0].spec[0].affinity) == 0 &&
      length(kubernetes_pod.workspace[0].spec[0].toleration) == 0
    )
    error_message = "Without a variable that says so the pod goes to some nodes only."
  }
  assert {
    condition     = [for e in kubernetes_pod.workspace[0].spec[0].container[0].env : e.value if e.name == "CODER_AGENT_TOKEN"] == [coder_agent.main.token]
    error_message = "The workspace does not get its agent's token."
  }
}

run "apps" {
  assert {
    condition = { for slug, app in coder_app.websocket : slug => app.url } == {
      wsec = "http://localhost:8081"
      wsra = "http://localhost:8082"
      wsdi = "http://localhost:8083"
    }
    error_message = "The apps are not those that load tests know: ${jsonencode({ for slug, app in coder_app.websocket : slug => app.url })}"
  }
  assert {
    condition     = alltrue([for app in coder_app.websocket : !app.subdomain && app.agent_id == coder_agent.main.id && one(app.healthcheck).url == "${app.url}/healthz"])
    error_message = "An app wants a subdomain, is not the agent's, or is not looked after."
  }
  assert {
    condition     = kubernetes_pod.workspace[0].spec[0].init_container[0].command == tolist(["/scaletest-apps", "-install", "/opt/scaletest/scaletest-apps"])
    error_message = "The helper does not install itself where the script looks for it."
  }
  assert {
    condition = alltrue([for c in concat(kubernetes_pod.workspace[0].spec[0].container, kubernetes_pod.workspace[0].spec[0].init_container) :
      one(c.volume_mount).mount_path == "/opt/scaletest" && one(c.volume_mount).name == kubernetes_pod.workspace[0].spec[0].volume[0].name
    ])
    error_message = "The containers do not share the helper's folder."
  }
  assert {
    condition = (
      coder_script.apps.run_on_start && !coder_script.apps.start_blocks_login &&
      strcontains(coder_script.apps.script, "/opt/scaletest/scaletest-apps -wsdi 8083 -wsec 8081 -wsra 8082 -rate 1048576 >")
    )
    error_message = "The script does not start the apps at their ports: ${coder_script.apps.script}"
  }
}

run "variables" {
  variables {
    namespace       = "elsewhere"
    workspace_image = "example.com/workspace:1"
    scaletest_image = "example.com/scaletest:1"
    user_id         = 2000
    arch            = "arm64"
    random_rate     = 0
    subdomain       = true
    node_affinity   = "{cloud.google.com/gke-nodepool: [big, bigger], kubernetes.io/arch: [arm64]}"
    tolerations     = jsonencode([{ key = "dedicated", value = "scaletest", effect = "NoSchedule" }, { key = "spot" }])
  }

  assert {
    condition     = kubernetes_pod.workspace[0].metadata[0].namespace == "elsewhere"
    error_message = "The namespace is not that of the variable."
  }
  assert {
    condition = (
      kubernetes_pod.workspace[0].spec[0].container[0].image == "example.com/workspace:1" &&
      kubernetes_pod.workspace[0].spec[0].init_container[0].image == "example.com/scaletest:1"
    )
    error_message = "The images are not those of the variables."
  }
  assert {
    condition = { for e in kubernetes_pod.workspace[0].spec[0].affinity[0].node_affinity[0].required_during_scheduling_ignored_during_execution[0].node_selector_term[0].match_expressions : e.key => { (e.operator) = sort(e.values) } } == {
      "cloud.google.com/gke-nodepool" = { In = tolist(["big", "bigger"]) }
      "kubernetes.io/arch"            = { In = tolist(["arm64"]) }
    }
    error_message = "The node affinity is not that of the variable: ${jsonencode(kubernetes_pod.workspace[0].spec[0].affinity)}"
  }
  assert {
    condition = [for t in kubernetes_pod.workspace[0].spec[0].toleration : join(" ", compact([t.key, t.operator, t.value, t.effect]))] == [
      "dedicated Equal scaletest NoSchedule", "spot Exists",
    ]
    error_message = "The tolerations are not those of the variable: ${jsonencode(kubernetes_pod.workspace[0].spec[0].toleration)}"
  }
  assert {
    condition     = tonumber(kubernetes_pod.workspace[0].spec[0].security_context[0].run_as_user) == 2000
    error_message = "The user is not that of the variable."
  }
  assert {
    condition     = coder_agent.main.arch == "arm64" && strcontains(coder_script.apps.script, "-rate 0 ") && alltrue([for app in coder_app.websocket : app.subdomain])
    error_message = "A variable of the agent, the apps or their rate does nothing."
  }
}

run "stopped" {
  override_data {
    target = data.coder_workspace.me
    values = { start_count = 0 }
  }

  assert {
    condition     = length(kubernetes_pod.workspace) == 0
    error_message = "A workspace that is stopped keeps its pod."
  }
}

run "invalid" {
  command = plan

  variables {
    namespace         = "Not A Namespace"
    workspace_image   = ""
    scaletest_image   = "two images"
    image_pull_policy = "Sometimes"
    user_id           = 0
    arch              = "vax"
    random_rate       = -1
    node_affinity     = "{kubernetes.io/arch: []}"
    tolerations       = "[{key: spot, effect: Never}]"
  }

  expect_failures = [
    var.namespace, var.workspace_image, var.scaletest_image, var.image_pull_policy, var.user_id, var.arch, var.random_rate,
    var.node_affinity, var.tolerations,
  ]
}

run "a_value_that_is_no_list" {
  command = plan

  variables {
    node_affinity = "{kubernetes.io/arch: arm64}"
    tolerations   = "[{key: spot, operator: Exists}]"
    user_id       = 1.5
    random_rate   = 0.5
  }

  expect_failures = [var.node_affinity, var.tolerations, var.user_id, var.random_rate]
}

run "no_yaml" {
  command = plan

  variables {
    node_affinity = "{"
    tolerations   = "key"
  }

  expect_failures = [var.node_affinity, var.tolerations]
}
