# What this template is and the others are not. All else is the same in each.

locals {
  # Requests and limits are the same, so that no workspace takes another one's share.
  cpu    = "4"
  memory = "4Gi"

  # Whether agents report the CPU and memory in use, every ten seconds.
  usage = true

  # How many metadata items of 4 KiB agents report, every second.
  greedy_items = 0
}
