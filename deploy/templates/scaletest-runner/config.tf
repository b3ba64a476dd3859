# The parameters as the configuration of a campaign. There is no secret in it: those are
# variables of the pod, from Secrets.

locals {
  chosen       = jsondecode(data.coder_parameter.load_scenarios.value)
  concurrently = data.coder_parameter.run_scenarios_concurrently.value == "true"

  traffic = [for k in [
    {
      kind  = "ssh", minutes = data.coder_parameter.ssh_duration.value, percentage = tonumber(data.coder_parameter.ssh_percentage.value)
      bytes = data.coder_parameter.ssh_bytes_per_tick.value, tick = data.coder_parameter.ssh_tick_interval.value
      }, {
      kind  = "terminal", minutes = data.coder_parameter.terminal_duration.value, percentage = tonumber(data.coder_parameter.terminal_percentage.value)
      bytes = data.coder_parameter.terminal_bytes_per_tick.value, tick = data.coder_parameter.terminal_tick_interval.value
      }, {
      kind  = "app", minutes = data.coder_parameter.app_duration.value, percentage = tonumber(data.coder_parameter.app_percentage.value)
      bytes = data.coder_parameter.app_bytes_per_tick.value, tick = data.coder_parameter.app_tick_interval.value
    },
  ] : k if contains(local.chosen, k.kind)]

  loads = concat(
    [for k in local.traffic : merge({
      kind           = k.kind, duration = "${k.minutes}m", percentage = k.percentage
      bytes_per_tick = tonumber(k.bytes), tick_interval = "${k.tick}ms"
    }, k.kind == "app" ? { app = data.coder_parameter.app_mode.value } : {})],
    [for k in ["dashboard"] : {
      kind = k, duration = "${data.coder_parameter.dashboard_duration.value}m", percentage = tonumber(data.coder_parameter.dashboard_percentage.value)
    } if contains(local.chosen, k)],
  )

  campaign = jsonencode(merge(
    {
      name            = data.coder_workspace.me.name
      comment         = data.coder_parameter.comment.value
      url             = local.url
      results         = "${local.results}/results"
      binary          = "${local.programs}/scaletest.test"
      dry_run         = data.coder_parameter.dry_run.value == "true"
      verbose         = data.coder_parameter.verbose.value == "true"
      template        = "${var.template_prefix}${data.coder_parameter.workspace_template.value}"
      workspaces      = tonumber(data.coder_parameter.num_workspaces.value)
      skip_create     = data.coder_parameter.skip_create.value == "true"
      create          = { concurrency = tonumber(data.coder_parameter.create_concurrency.value), retries = 5 }
      job_concurrency = tonumber(data.coder_parameter.job_concurrency.value)
      cleanup = {
        before      = data.coder_parameter.cleanup_before.value == "true"
        strategy    = data.coder_parameter.cleanup_strategy.value
        concurrency = tonumber(data.coder_parameter.cleanup_concurrency.value)
      }
      baseline     = "${data.coder_parameter.baseline_duration.value}m"
      loads        = local.loads
      side_by_side = local.concurrently
      stagger      = "${data.coder_parameter.stagger.value}m"
      grafana      = var.grafana_url
      webhook      = var.webhook_url
    },
    data.coder_parameter.greedy_agent.value == "true" ? { greedy = data.coder_parameter.greedy_template.value } : {},
  ))
}
