# The campaign's page: what goes on, the live page of the load, and all results.

resource "coder_app" "campaign" {
  agent_id     = coder_agent.main.id
  slug         = "campaign"
  display_name = "Scale test"
  url          = "http://localhost:${local.page}"
  subdomain    = var.subdomain

  healthcheck {
    url       = "http://localhost:${local.page}/healthz"
    interval  = 5
    threshold = 6
  }
}
