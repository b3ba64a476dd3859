resource "kubernetes_pod" "workspace" {
  count = data.coder_workspace.me.start_count

  metadata {
    name      = "coder-scaletest-runner-${data.coder_workspace.me.id}"
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
      # A campaign that is taken away leaves what it has created.
      "cluster-autoscaler.kubernetes.io/safe-to-evict" = "false"
    }
  }

  timeouts {
    create = "20m" # a node may have to come first
    delete = "${var.stop_minutes + 5}m"
  }

  spec {
    automount_service_account_token  = false
    enable_service_links             = false                       # each one would be a variable in the pod
    termination_grace_period_seconds = (var.stop_minutes + 1) * 60 # the agent's scripts run after SIGTERM
    restart_policy                   = "Never"                     # a campaign is started by people

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
      name              = "scaletest"
      image             = var.scaletest_image
      image_pull_policy = var.image_pull_policy
      command           = ["/scaletest", "install", local.programs, "scaletest.test"]

      security_context {
        allow_privilege_escalation = false
        read_only_root_filesystem  = true
        run_as_non_root            = true
        capabilities {
          drop = ["ALL"]
        }
      }

      resources {
        requests = { cpu = var.cpu, memory = var.memory }
        limits   = { cpu = var.cpu, memory = var.memory }
      }

      volume_mount {
        name       = "programs"
        mount_path = local.programs
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

      dynamic "env" {
        for_each = local.secrets
        content {
          name = env.key
          value_from {
            secret_key_ref {
              name = env.value.secret
              key  = env.value.key
            }
          }
        }
      }

      security_context {
        allow_privilege_escalation = false
        run_as_non_root            = true
        capabilities {
          drop = ["ALL"]
        }
      }

      # A generator that shares its cores measures its neighbours.
      resources {
        requests = { cpu = var.cpu, memory = var.memory }
        limits   = { cpu = var.cpu, memory = var.memory }
      }

      volume_mount {
        name       = "programs"
        mount_path = local.programs
        read_only  = true
      }

      volume_mount {
        name       = "results"
        mount_path = local.results
      }
    }

    volume {
      name = "programs"
      empty_dir {
        size_limit = "512Mi"
      }
    }

    dynamic "volume" {
      for_each = kubernetes_persistent_volume_claim.results
      content {
        name = "results"
        persistent_volume_claim {
          claim_name = volume.value.metadata[0].name
        }
      }
    }

    dynamic "volume" {
      for_each = var.results_size > 0 ? [] : [1]
      content {
        name = "results"
        empty_dir {}
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
