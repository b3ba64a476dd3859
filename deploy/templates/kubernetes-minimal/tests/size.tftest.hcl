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
      for q in [c.resources[0].requests, c.resources[0].limits] : q.cpu == "1" && q.memory == "2Gi"
    ]]))
    error_message = "The requests or limits are not 1 vCPU and 2 GiB: ${jsonencode(kubernetes_pod.workspace[0].spec[0].container[0].resources)}"
  }
}

run "metadata" {
  assert {
    condition     = length(coder_agent.main.metadata) == 0
    error_message = "The agent reports metadata: ${jsonencode(coder_agent.main.metadata[*].key)}"
  }
}
