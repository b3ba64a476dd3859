# A workspace in a pod of a fixed size, for load tests. It has no storage: what is in
# it goes when it stops. See README.md.

terraform {
  required_version = ">= 1.3"
  required_providers {
    coder = {
      source  = "coder/coder"
      version = "~> 2.0"
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
  # WebSocket apps of load tests, and the ports at which they are.
  apps = {
    wsec = { name = "WebSocket echo", port = 8081 }
    wsra = { name = "WebSocket random", port = 8082 }
    wsdi = { name = "WebSocket discard", port = 8083 }
  }

  # The program that serves them, in a folder that both containers have.
  shared  = "/opt/scaletest"
  program = "${local.shared}/scaletest-apps"
  ports   = join(" ", [for slug, app in local.apps : "-${slug} ${app.port}"])

  affinity = { for label, values in yamldecode(var.node_affinity) : label => [for v in values : tostring(v)] }
  tolerations = [for t in yamldecode(var.tolerations) : {
    key    = t.key
    value  = try(tostring(t.value), null)
    effect = try(t.effect, null)
  }]
}

resource "coder_agent" "main" {
  os   = "linux"
  arch = var.arch

  dynamic "metadata" {
    for_each = local.usage ? { cpu = "CPU", mem = "Memory" } : {}
    content {
      key          = metadata.key
      display_name = "${metadata.value} in use"
      script       = "coder stat ${metadata.key}"
      interval     = 10
      timeout      = 1
    }
  }

  # Coder keeps 2 KiB of each value, and says that it was longer.
  dynamic "metadata" {
    for_each = range(local.greedy_items)
    content {
      key          = format("m%02d", metadata.value)
      display_name = format("Item %02d", metadata.value)
      script       = "${local.program} -greedy-item"
      interval     = 1
      timeout      = 1
      order        = metadata.value
    }
  }
}

# The apps go on behind the script, so that the agent gets ready. What they say is in
# their log; if they can't begin, it is in the log of the script, too.
resource "coder_script" "apps" {
  agent_id           = coder_agent.main.id
  display_name       = "Traffic apps"
  run_on_start       = true
  start_blocks_login = false
  timeout            = 60
  script             = <<-SH
    #!/bin/sh
    log=/tmp/scaletest-apps.log
    ${local.program} ${local.ports} -rate ${var.random_rate} >"$log" 2>&1 </dev/null &
    if ! ${local.program} ${local.ports} -wait 30s; then
      cat "$log"
      exit 1
    fi
    cat "$log"
  SH
}

resource "coder_app" "websocket" {
  for_each = local.apps

  agent_id     = coder_agent.main.id
  slug         = each.key
  display_name = each.value.name
  url          = "http://localhost:${each.value.port}"
  subdomain    = var.subdomain

  healthcheck {
    url       = "http://localhost:${each.value.port}/healthz"
    interval  = 5
    threshold = 6
  }
}

resource "kubernetes_pod" "workspace" {
  count = data.coder_workspace.me.start_count

  metadata {
    # Names of users and workspaces may be too long together.
    name      = "coder-scaletest-${data.coder_workspace.me.id}"
    namespace = var.namespace
    labels = {
      "app.kubernetes.io/name"     = "coder-workspace"
      "app.kubernetes.io/instance" = "coder-workspace-${data.coder_workspace.me.id}"
      "app.kubernetes.io/part-of"  = "coder"
      "com.coder.resource"         = "true"
      "com.coder.workspace.id"     = data.coder_workspace.me.id
      "com.coder.workspace.name"   = data.coder_workspace.me.name
      "com.coder.user.id"          = data.coder_workspace_owner.me.id
      "com.coder.user.username"    = data.coder_workspace_owner.me.name
    }
    annotations = {
      # A node that is taken away in mid-test looks like an outage of the deployment.
      "cluster-autoscaler.kubernetes.io/safe-to-evict" = "false"
    }
  }

  # The first build of a test may have to wait for a node, which takes longer than the
  # provider's five minutes.
  timeouts {
    create = "20m"
  }

  spec {
    automount_service_account_token  = false
    enable_service_links             = false # each one would be a variable in every pod
    termination_grace_period_seconds = 10    # the apps need five

    security_context {
      run_as_user     = var.user_id
      run_as_group    = var.user_id
      fs_group        = var.user_id
      run_as_non_root = true

      seccomp_profile {
        type = "RuntimeDefault"
      }
    }

    init_container {
      name              = "scaletest-apps"
      image             = var.scaletest_image
      image_pull_policy = var.image_pull_policy
      command           = ["/scaletest-apps", "-install", local.program]

      security_context {
        allow_privilege_escalation = false
        read_only_root_filesystem  = true
        run_as_non_root            = true
        capabilities {
          drop = ["ALL"]
        }
      }

      # A pod of which all limits are its requests is evicted last.
      resources {
        requests = { cpu = local.cpu, memory = local.memory }
        limits   = { cpu = local.cpu, memory = local.memory }
      }

      volume_mount {
        name       = "scaletest"
        mount_path = local.shared
      }
    }

    container {
      name              = "workspace"
      image             = var.workspace_image
      image_pull_policy = var.image_pull_policy
      command           = ["sh", "-c", coder_agent.main.init_script]

      env {
        name  = "CODER_AGENT_TOKEN"
        value = coder_agent.main.token
      }

      security_context {
        allow_privilege_escalation = false
        run_as_non_root            = true
        capabilities {
          drop = ["ALL"]
        }
      }

      resources {
        requests = { cpu = local.cpu, memory = local.memory }
        limits   = { cpu = local.cpu, memory = local.memory }
      }

      volume_mount {
        name       = "scaletest"
        mount_path = local.shared
        read_only  = true
      }
    }

    volume {
      name = "scaletest"
      empty_dir {
        size_limit = "64Mi"
      }
    }

    dynamic "affinity" {
      for_each = length(local.affinity) > 0 ? [local.affinity] : []
      content {
        node_affinity {
          required_during_scheduling_ignored_during_execution {
            node_selector_term {
              dynamic "match_expressions" {
                for_each = affinity.value
                content {
                  key      = match_expressions.key
                  operator = "In"
                  values   = match_expressions.value
                }
              }
            }
          }
        }
      }
    }

    dynamic "toleration" {
      for_each = local.tolerations
      content {
        key      = toleration.value.key
        operator = toleration.value.value == null ? "Exists" : "Equal"
        value    = toleration.value.value
        effect   = toleration.value.effect
      }
    }
  }
}
