# A workspace without a machine. Its agent is played by `scaletest agents`, or by
# the Go package agentfleet: see README.md.

terraform {
  required_version = ">= 1.4" # terraform_data
  required_providers {
    coder = {
      source  = "coder/coder"
      version = "~> 2.0"
    }
  }
}

data "coder_workspace" "me" {}

locals {
  # WebSocket apps of load tests, and the ports at which agents serve them.
  apps = {
    wsec = { name = "WebSocket echo", port = 8081 }
    wsra = { name = "WebSocket random", port = 8082 }
    wsdi = { name = "WebSocket discard", port = 8083 }
  }
}

resource "coder_agent" "main" {
  os   = "linux"
  arch = "amd64"

  # Only keys that are declared here can be sent.
  dynamic "metadata" {
    for_each = range(16)
    content {
      key          = format("m%02d", metadata.value)
      display_name = format("Item %02d", metadata.value)
      script       = "true"
      interval     = 1
      timeout      = 1
      order        = metadata.value
    }
  }
}

resource "coder_app" "websocket" {
  for_each = local.apps

  agent_id     = coder_agent.main.id
  slug         = each.key
  display_name = each.value.name
  url          = "http://localhost:${each.value.port}"
  subdomain    = false

  healthcheck {
    url       = "http://localhost:${each.value.port}/healthz"
    interval  = 5
    threshold = 6
  }
}

# Coder stores an agent only if a resource depends on it. An app is none.
resource "terraform_data" "nothing" {
  count = data.coder_workspace.me.start_count
  input = coder_agent.main.id
}

# Whoever may see the workspace sees the token, and can play its agent.
resource "coder_metadata" "token" {
  count       = data.coder_workspace.me.start_count
  resource_id = terraform_data.nothing[0].id

  item {
    key       = "agent_token"
    value     = coder_agent.main.token
    sensitive = true
  }
}
