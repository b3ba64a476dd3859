# What the parameters make of the configuration. The provider is the real one, so that
# defaults are those of the parameters: nothing of it needs a deployment.

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

run "defaults" {
  assert {
    condition     = jsondecode(local.campaign) == jsondecode(file("./tests/defaults.json"))
    error_message = "The configuration is not that of tests/defaults.json: ${local.campaign}"
  }
  assert {
    condition     = jsondecode(local.campaign).dry_run && data.coder_parameter.dry_run.ephemeral
    error_message = "A workspace that is started by anything but a person's will puts on load."
  }
  assert {
    condition     = alltrue([for p in [data.coder_parameter.num_workspaces, data.coder_parameter.load_scenarios, data.coder_parameter.ssh_duration] : p.mutable])
    error_message = "A parameter can't be changed for the next scale test."
  }
  assert {
    condition = [for p in [
      data.coder_parameter.num_workspaces, data.coder_parameter.create_concurrency, data.coder_parameter.cleanup_concurrency,
      data.coder_parameter.baseline_duration, data.coder_parameter.ssh_duration, data.coder_parameter.dashboard_percentage,
    ] : "${p.validation[0].min} ${p.validation[0].max}"] == ["0 2000", "1 100", "1 100", "0 60", "1 1440", "1 100"]
    error_message = "A number may be what makes no sense."
  }
}

run "everything_changed" {
  variables {
    coder_url       = "https://other.example.com"
    template_prefix = "scaletest-"
    grafana_url     = "https://grafana.example.com"
    webhook_url     = "https://chat.example.com/hook"
  }

  override_data {
    target = data.coder_parameter.comment
    values = { value = "it's \"quoted\" & $${odd}\nCONFIG" }
  }

  override_data {
    target = data.coder_parameter.dry_run
    values = { value = "false" }
  }

  override_data {
    target = data.coder_parameter.verbose
    values = { value = "true" }
  }

  override_data {
    target = data.coder_parameter.workspace_template
    values = { value = "large" }
  }

  override_data {
    target = data.coder_parameter.num_workspaces
    values = { value = "0" }
  }

  override_data {
    target = data.coder_parameter.skip_create
    values = { value = "true" }
  }

  override_data {
    target = data.coder_parameter.create_concurrency
    values = { value = "20" }
  }

  override_data {
    target = data.coder_parameter.job_concurrency
    values = { value = "3" }
  }

  override_data {
    target = data.coder_parameter.cleanup_concurrency
    values = { value = "30" }
  }

  override_data {
    target = data.coder_parameter.cleanup_strategy
    values = { value = "on_stop" }
  }

  override_data {
    target = data.coder_parameter.cleanup_before
    values = { value = "false" }
  }

  override_data {
    target = data.coder_parameter.stagger
    values = { value = "7" }
  }

  override_data {
    target = data.coder_parameter.baseline_duration
    values = { value = "0" }
  }

  override_data {
    target = data.coder_parameter.app_mode
    values = { value = "wsdi" }
  }

  override_data {
    target = data.coder_parameter.dashboard_duration
    values = { value = "4" }
  }

  override_data {
    target = data.coder_parameter.dashboard_percentage
    values = { value = "14" }
  }

  override_data {
    target = data.coder_parameter.greedy_agent
    values = { value = "true" }
  }

  override_data {
    target = data.coder_parameter.greedy_template
    values = { value = "greedy-ones" }
  }

  override_data {
    target = data.coder_parameter.ssh_duration
    values = { value = "1" }
  }

  override_data {
    target = data.coder_parameter.ssh_percentage
    values = { value = "11" }
  }

  override_data {
    target = data.coder_parameter.ssh_bytes_per_tick
    values = { value = "101" }
  }

  override_data {
    target = data.coder_parameter.ssh_tick_interval
    values = { value = "51" }
  }

  override_data {
    target = data.coder_parameter.terminal_duration
    values = { value = "2" }
  }

  override_data {
    target = data.coder_parameter.terminal_percentage
    values = { value = "12" }
  }

  override_data {
    target = data.coder_parameter.terminal_bytes_per_tick
    values = { value = "102" }
  }

  override_data {
    target = data.coder_parameter.terminal_tick_interval
    values = { value = "52" }
  }

  override_data {
    target = data.coder_parameter.app_duration
    values = { value = "3" }
  }

  override_data {
    target = data.coder_parameter.app_percentage
    values = { value = "13" }
  }

  override_data {
    target = data.coder_parameter.app_bytes_per_tick
    values = { value = "103" }
  }

  override_data {
    target = data.coder_parameter.app_tick_interval
    values = { value = "53" }
  }

  assert {
    condition     = jsondecode(local.campaign) == jsondecode(file("./tests/changed.json"))
    error_message = "The configuration is not that of tests/changed.json: ${local.campaign}"
  }
}

run "side_by_side" {
  override_data {
    target = data.coder_parameter.run_scenarios_concurrently
    values = { value = "true" }
  }

  override_data {
    target = data.coder_parameter.load_scenarios
    values = { value = "[\"dashboard\", \"ssh\"]" }
  }

  assert {
    condition     = jsondecode(local.campaign).side_by_side && [for l in jsondecode(local.campaign).loads : l.kind] == ["ssh", "dashboard"]
    error_message = "Not the loads that were chosen run side by side: ${local.campaign}"
  }
}

run "more_than_all_workspaces" {
  command = plan

  override_data {
    target = data.coder_parameter.run_scenarios_concurrently
    values = { value = "true" }
  }

  expect_failures = [coder_agent.main]
}

run "greedy_side_by_side" {
  command = plan

  override_data {
    target = data.coder_parameter.run_scenarios_concurrently
    values = { value = "true" }
  }

  override_data {
    target = data.coder_parameter.load_scenarios
    values = { value = "[\"ssh\"]" }
  }

  override_data {
    target = data.coder_parameter.greedy_agent
    values = { value = "true" }
  }

  expect_failures = [coder_agent.main]
}

run "nothing_to_create" {
  command = plan

  override_data {
    target = data.coder_parameter.num_workspaces
    values = { value = "0" }
  }

  expect_failures = [coder_agent.main]
}
