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
      for q in [c.resources[0].requests, c.resources[0].limits] : q.cpu == "2" && q.memory == "2Gi"
    ]]))
    error_message = "The requests or limits are not 2 vCPU and 2 GiB: ${jsonencode(kubernetes_pod.workspace[0].spec[0].container[0].resources)}"
  }
}

run "metadata" {
  assert {
    condition     = { for m in coder_agent.main.metadata : m.key => m.interval if m.script == "/opt/scaletest/scaletest-apps -greedy-item" } == { for i in range(16) : format("m%02d", i) => 1 }
    error_message = "There are not 16 greedy items a second: ${jsonencode(coder_agent.main.metadata)}"
  }
  assert {
    condition     = { for m in coder_agent.main.metadata : m.key => "${m.script} ${m.interval}" if m.interval != 1 } == { cpu = "coder stat cpu 10", mem = "coder stat mem 10" }
    error_message = "The other metadata is not that of medium, so that more than the greedy items makes the difference: ${jsonencode(coder_agent.main.metadata)}"
  }
}
