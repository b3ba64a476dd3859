# What this template is and the others are not.

mock_provider "coder" {
  mock_data "coder_workspace" {
    defaults = { start_count = 1 }
  }
}

mock_provider "kubernetes" {}

variables {
  namespace = "coder-workspaces"
}

run "size" {
  assert {
    condition = alltrue(flatten([for c in concat(kubernetes_pod.workspace[0].spec[0].container, kubernetes_pod.workspace[0].spec[0].init_container) : [
      for q in [c.resources[0].requests, c.resources[0].limits] : q.cpu == "1" && q.memory == "1Gi"
    ]]))
    error_message = "The requests or limits are not 1 vCPU and 1 GiB: ${jsonencode(kubernetes_pod.workspace[0].spec[0].container[0].resources)}"
  }
}

run "metadata" {
  assert {
    condition     = { for m in coder_agent.main.metadata : m.key => "${m.script} ${m.interval}" } == { cpu = "coder stat cpu 10", mem = "coder stat mem 10" }
    error_message = "The metadata is not CPU and memory every ten seconds: ${jsonencode(coder_agent.main.metadata)}"
  }
}
