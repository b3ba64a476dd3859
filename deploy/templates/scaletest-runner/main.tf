# The workspace that runs scale tests: a pod with the load generator, the campaign that
# drives it, and its page as an app. See README.md.

terraform {
  required_version = ">= 1.3"
  required_providers {
    coder = {
      source  = "coder/coder"
      version = "~> 2.4" # form_type of parameters
    }
    kubernetes = {
      source  = "hashicorp/kubernetes"
      version = ">= 2.20, < 4.0" # old ones have no seccomp_profile, and the next major nobody knows
    }
  }
}

provider "kubernetes" {
  config_path = var.use_kubeconfig ? "~/.kube/config" : null
}

data "coder_workspace" "me" {}

data "coder_workspace_owner" "me" {}

locals {
  programs = "/opt/scaletest"
  results  = "/home/coder/scaletest"
  config   = "${local.results}/campaign.json"
  page     = 8080
  url      = coalesce(var.coder_url, data.coder_workspace.me.access_url)

  affinity = { for label, values in yamldecode(var.node_affinity) : label => [for v in values : tostring(v)] }
  tolerations = [for t in yamldecode(var.tolerations) : {
    key    = t.key
    value  = try(tostring(t.value), null)
    effect = try(t.effect, null)
  }]

  # Variables of the campaign that hold secrets, and the keys of which Secret they are.
  secrets = merge(
    { CODER_SESSION_TOKEN = { secret = var.token_secret, key = var.token_secret_key } },
    var.grafana_secret == "" ? {} : { SCALETEST_GRAFANA_TOKEN = { secret = var.grafana_secret, key = "token" } },
    var.webhook_secret == "" ? {} : { SCALETEST_WEBHOOK_URL = { secret = var.webhook_secret, key = "url" } },
  )
}

resource "coder_agent" "main" {
  os   = "linux"
  arch = var.arch

  metadata {
    key          = "campaign"
    display_name = "Campaign"
    script       = "tail -n 1 ${local.results}/campaign.log"
    interval     = 10
    timeout      = 1
    order        = 1
  }
  metadata {
    key          = "cpu"
    display_name = "CPU in use"
    script       = "coder stat cpu"
    interval     = 10
    timeout      = 1
    order        = 2
  }
  metadata {
    key          = "mem"
    display_name = "Memory in use"
    script       = "coder stat mem"
    interval     = 10
    timeout      = 1
    order        = 3
  }

  lifecycle {
    precondition {
      condition     = !local.concurrently || sum(concat([0], [for k in local.traffic : k.percentage])) <= 100
      error_message = "The percentages of ssh, terminal and app are more than 100 together. Loads that run side by side take one part of the workspaces after the other: want 100 at most, or one load after the other."
    }
    precondition {
      condition     = !(local.concurrently && data.coder_parameter.greedy_agent.value == "true")
      error_message = "A greedy agent goes with loads one after the other: want one of the two."
    }
    precondition {
      condition     = tonumber(data.coder_parameter.num_workspaces.value) > 0 || data.coder_parameter.skip_create.value == "true"
      error_message = "There are no workspaces to create: want 1 or more, or to skip the creation."
    }
  }
}

# The campaign goes on behind the script, so that the agent gets ready.
resource "coder_script" "campaign" {
  agent_id           = coder_agent.main.id
  display_name       = "Campaign"
  run_on_start       = true
  start_blocks_login = false
  timeout            = 60
  script             = <<-SH
    #!/bin/sh
    mkdir -p ${local.results} || exit 1
    cat >${local.config} <<'CONFIG' || exit 1
    ${local.campaign}
    CONFIG
    log=${local.results}/campaign.log
    ${local.programs}/scaletest campaign -listen 127.0.0.1:${local.page} ${local.config} >"$log" 2>&1 </dev/null &
    pid=$!
    sleep 2
    cat "$log"
    kill -0 "$pid"
  SH
}

# Whatever the strategy leaves is deleted when the workspace stops, if it says so.
resource "coder_script" "stop" {
  agent_id     = coder_agent.main.id
  display_name = "Stop of the campaign"
  run_on_stop  = true
  timeout      = var.stop_minutes * 60
  script       = "${local.programs}/scaletest campaign -stop -timeout ${var.stop_minutes}m ${local.config}"
}

resource "kubernetes_persistent_volume_claim" "results" {
  count = var.results_size > 0 ? 1 : 0

  metadata {
    name      = "coder-scaletest-runner-${data.coder_workspace.me.id}"
    namespace = var.namespace
    labels = {
      "app.kubernetes.io/name"    = "coder-workspace"
      "app.kubernetes.io/part-of" = "coder"
      "com.coder.workspace.id"    = data.coder_workspace.me.id
    }
  }
  wait_until_bound = false # it may be bound with the first pod only

  spec {
    access_modes       = ["ReadWriteOnce"]
    storage_class_name = var.storage_class == "" ? null : var.storage_class
    resources {
      requests = { storage = "${var.results_size}Gi" }
    }
  }
}
