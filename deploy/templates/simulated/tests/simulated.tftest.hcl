# The agent of a workspace without a machine.

mock_provider "coder" {
  mock_data "coder_workspace" {
    defaults = { start_count = 1 }
  }
}

run "apps" {
  assert {
    condition = { for slug, app in coder_app.websocket : slug => app.url } == {
      wsec = "http://localhost:8081"
      wsra = "http://localhost:8082"
      wsdi = "http://localhost:8083"
    }
    error_message = "The apps are not those that load tests know: ${jsonencode({ for slug, app in coder_app.websocket : slug => app.url })}"
  }
  assert {
    condition     = alltrue([for app in coder_app.websocket : !app.subdomain && app.agent_id == coder_agent.main.id && one(app.healthcheck).url == "${app.url}/healthz"])
    error_message = "An app wants a subdomain, is not the agent's, or is not looked after."
  }
}

run "metadata" {
  assert {
    condition     = { for m in coder_agent.main.metadata : m.key => m.interval } == { for i in range(16) : format("m%02d", i) => 1 }
    error_message = "There are not 16 metadata items a second to send: ${jsonencode(coder_agent.main.metadata)}"
  }
}

run "token" {
  assert {
    condition     = terraform_data.nothing[0].input == coder_agent.main.id
    error_message = "No resource depends on the agent, so that Coder would not store it."
  }
  assert {
    condition     = [for i in coder_metadata.token[0].item : i.value if i.key == "agent_token" && i.sensitive] == [coder_agent.main.token]
    error_message = "Nobody can find the agent's token, or everybody sees it."
  }
}

run "stopped" {
  override_data {
    target = data.coder_workspace.me
    values = { start_count = 0 }
  }

  assert {
    condition     = length(terraform_data.nothing) == 0 && length(coder_metadata.token) == 0
    error_message = "A workspace that is stopped still has an agent to play."
  }
}
