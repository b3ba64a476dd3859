# What people choose when they start a scale test. All can be changed with a restart.

data "coder_parameter" "dry_run" {
  order        = 1
  name         = "dry_run"
  display_name = "Dry run"
  description  = "Show the plan and touch nothing. It is on again with each start: turn it off for the one start that is to put on the load."
  type         = "bool"
  default      = true
  mutable      = true
  ephemeral    = true
}

data "coder_parameter" "comment" {
  order        = 2
  name         = "comment"
  display_name = "Comment"
  description  = "What this is about. It is on the page and goes with every message."
  type         = "string"
  default      = ""
  mutable      = true
}

data "coder_parameter" "verbose" {
  order        = 3
  name         = "verbose"
  display_name = "Verbose"
  description  = "Log what the load generator prints, too."
  type         = "bool"
  default      = false
  mutable      = true
}

data "coder_parameter" "workspace_template" {
  order        = 4
  name         = "workspace_template"
  display_name = "Template"
  description  = "The template that workspaces are created from, or that those which are there were."
  type         = "string"
  default      = "small"
  mutable      = true

  option {
    name  = "minimal: 1 vCPU, 2 GiB, no metadata"
    value = "minimal"
  }

  option {
    name  = "small: 1 vCPU, 1 GiB"
    value = "small"
  }

  option {
    name  = "medium: 2 vCPU, 2 GiB"
    value = "medium"
  }

  option {
    name  = "medium-greedy: 2 vCPU, 2 GiB, much metadata"
    value = "medium-greedy"
  }

  option {
    name  = "large: 4 vCPU, 4 GiB"
    value = "large"
  }
}

data "coder_parameter" "num_workspaces" {
  order        = 5
  name         = "num_workspaces"
  display_name = "Workspaces"
  description  = "How many are created, each with a user of its own."
  type         = "number"
  default      = 100
  mutable      = true

  validation {
    min = 0
    max = 2000
  }
}

data "coder_parameter" "skip_create" {
  order        = 6
  name         = "skip_create"
  display_name = "Skip the creation"
  description  = "Load the workspaces of the template that are there."
  type         = "bool"
  default      = false
  mutable      = true
}

data "coder_parameter" "create_concurrency" {
  order        = 7
  name         = "create_concurrency"
  display_name = "Creations at a time"
  description  = "How many workspaces are created at a time."
  type         = "number"
  default      = 10
  mutable      = true

  validation {
    min = 1
    max = 100
  }
}

data "coder_parameter" "job_concurrency" {
  order        = 8
  name         = "job_concurrency"
  display_name = "Loads at a time"
  description  = "How many workspaces have their load at a time, each for the duration. 0 is all at once."
  type         = "number"
  default      = 0
  mutable      = true

  validation {
    min = 0
    max = 2000
  }
}

data "coder_parameter" "cleanup_concurrency" {
  order        = 9
  name         = "cleanup_concurrency"
  display_name = "Deletions at a time"
  description  = "How many workspaces are deleted at a time."
  type         = "number"
  default      = 10
  mutable      = true

  validation {
    min = 1
    max = 100
  }
}

data "coder_parameter" "cleanup_strategy" {
  order        = 10
  name         = "cleanup_strategy"
  display_name = "Cleanup"
  description  = "When what was created is deleted."
  type         = "string"
  default      = "always"
  mutable      = true

  option {
    name  = "at the end, whatever came of it"
    value = "always"
  }

  option {
    name  = "when this workspace stops"
    value = "on_stop"
  }

  option {
    name  = "at the end, if it passed"
    value = "on_success"
  }

  option {
    name  = "at the end, if it did not pass"
    value = "on_error"
  }
}

data "coder_parameter" "cleanup_before" {
  order        = 11
  name         = "cleanup_before"
  display_name = "Cleanup before"
  description  = "First delete what earlier scale tests of this workspace have left."
  type         = "bool"
  default      = true
  mutable      = true
}

data "coder_parameter" "load_scenarios" {
  order        = 12
  name         = "load_scenarios"
  display_name = "Loads"
  description  = "What is done to the workspaces."
  type         = "list(string)"
  form_type    = "multi-select"
  default      = jsonencode(["ssh", "terminal", "app", "dashboard"])
  mutable      = true

  option {
    name  = "SSH"
    value = "ssh"
  }

  option {
    name  = "Web terminal"
    value = "terminal"
  }

  option {
    name  = "App"
    value = "app"
  }

  option {
    name  = "Dashboard"
    value = "dashboard"
  }
}

data "coder_parameter" "run_scenarios_concurrently" {
  order        = 13
  name         = "run_scenarios_concurrently"
  display_name = "Side by side"
  description  = "Run the loads at the same time, each on its own part of the workspaces: the percentages of ssh, terminal and app must be 100 at most together."
  type         = "bool"
  default      = false
  mutable      = true
}

data "coder_parameter" "stagger" {
  order        = 14
  name         = "stagger"
  display_name = "Stagger"
  description  = "Minutes by which each load begins later than the one before, where they run side by side."
  type         = "number"
  default      = 3
  mutable      = true

  validation {
    min = 0
    max = 60
  }
}

data "coder_parameter" "baseline_duration" {
  order        = 15
  name         = "baseline_duration"
  display_name = "Baseline"
  description  = "Quiet minutes before each load."
  type         = "number"
  default      = 5
  mutable      = true

  validation {
    min = 0
    max = 60
  }
}

data "coder_parameter" "ssh_duration" {
  order        = 16
  name         = "ssh_duration"
  display_name = "SSH: minutes"
  description  = "How long it lasts."
  type         = "number"
  default      = 30
  mutable      = true

  validation {
    min = 1
    max = 1440
  }
}

data "coder_parameter" "ssh_percentage" {
  order        = 17
  name         = "ssh_percentage"
  display_name = "SSH: percentage"
  description  = "The part of the workspaces that it is for."
  type         = "number"
  default      = 100
  mutable      = true

  validation {
    min = 1
    max = 100
  }
}

data "coder_parameter" "ssh_bytes_per_tick" {
  order        = 18
  name         = "ssh_bytes_per_tick"
  display_name = "SSH: bytes per tick"
  description  = "How much is sent to each workspace at a time."
  type         = "number"
  default      = 1024
  mutable      = true

  validation {
    min = 1
    max = 1048576
  }
}

data "coder_parameter" "ssh_tick_interval" {
  order        = 19
  name         = "ssh_tick_interval"
  display_name = "SSH: tick interval"
  description  = "Milliseconds between two ticks."
  type         = "number"
  default      = 100
  mutable      = true

  validation {
    min = 1
    max = 60000
  }
}

data "coder_parameter" "terminal_duration" {
  order        = 20
  name         = "terminal_duration"
  display_name = "Web terminal: minutes"
  description  = "How long it lasts."
  type         = "number"
  default      = 30
  mutable      = true

  validation {
    min = 1
    max = 1440
  }
}

data "coder_parameter" "terminal_percentage" {
  order        = 21
  name         = "terminal_percentage"
  display_name = "Web terminal: percentage"
  description  = "The part of the workspaces that it is for."
  type         = "number"
  default      = 100
  mutable      = true

  validation {
    min = 1
    max = 100
  }
}

data "coder_parameter" "terminal_bytes_per_tick" {
  order        = 22
  name         = "terminal_bytes_per_tick"
  display_name = "Web terminal: bytes per tick"
  description  = "How much is sent to each workspace at a time."
  type         = "number"
  default      = 1024
  mutable      = true

  validation {
    min = 1
    max = 1048576
  }
}

data "coder_parameter" "terminal_tick_interval" {
  order        = 23
  name         = "terminal_tick_interval"
  display_name = "Web terminal: tick interval"
  description  = "Milliseconds between two ticks."
  type         = "number"
  default      = 100
  mutable      = true

  validation {
    min = 1
    max = 60000
  }
}

data "coder_parameter" "app_duration" {
  order        = 24
  name         = "app_duration"
  display_name = "App: minutes"
  description  = "How long it lasts."
  type         = "number"
  default      = 30
  mutable      = true

  validation {
    min = 1
    max = 1440
  }
}

data "coder_parameter" "app_percentage" {
  order        = 25
  name         = "app_percentage"
  display_name = "App: percentage"
  description  = "The part of the workspaces that it is for."
  type         = "number"
  default      = 100
  mutable      = true

  validation {
    min = 1
    max = 100
  }
}

data "coder_parameter" "app_bytes_per_tick" {
  order        = 26
  name         = "app_bytes_per_tick"
  display_name = "App: bytes per tick"
  description  = "How much is sent to each workspace at a time."
  type         = "number"
  default      = 1024
  mutable      = true

  validation {
    min = 1
    max = 1048576
  }
}

data "coder_parameter" "app_tick_interval" {
  order        = 27
  name         = "app_tick_interval"
  display_name = "App: tick interval"
  description  = "Milliseconds between two ticks."
  type         = "number"
  default      = 100
  mutable      = true

  validation {
    min = 1
    max = 60000
  }
}

data "coder_parameter" "app_mode" {
  order        = 28
  name         = "app_mode"
  display_name = "App: which"
  description  = "The app of the workspaces that is loaded."
  type         = "string"
  default      = "wsec"
  mutable      = true

  option {
    name  = "wsec: sends back what it is sent"
    value = "wsec"
  }

  option {
    name  = "wsra: sends random bytes"
    value = "wsra"
  }

  option {
    name  = "wsdi: drops what it is sent"
    value = "wsdi"
  }
}

data "coder_parameter" "dashboard_duration" {
  order        = 29
  name         = "dashboard_duration"
  display_name = "Dashboard: minutes"
  description  = "How long people click through it."
  type         = "number"
  default      = 30
  mutable      = true

  validation {
    min = 1
    max = 1440
  }
}

data "coder_parameter" "dashboard_percentage" {
  order        = 30
  name         = "dashboard_percentage"
  display_name = "Dashboard: percentage"
  description  = "The part of the people that do."
  type         = "number"
  default      = 100
  mutable      = true

  validation {
    min = 1
    max = 100
  }
}

data "coder_parameter" "greedy_agent" {
  order        = 31
  name         = "greedy_agent"
  display_name = "Greedy agent"
  description  = "Flood the terminal of one workspace more in the second third of each load, 25 MiB every 40 ms: do the others notice? Not with loads side by side."
  type         = "bool"
  default      = false
  mutable      = true
}

data "coder_parameter" "greedy_template" {
  order        = 32
  name         = "greedy_template"
  display_name = "Greedy agent: template"
  description  = "The name of the template of that one. It must be another than that of the rest."
  type         = "string"
  default      = "medium-greedy"
  mutable      = true
}
