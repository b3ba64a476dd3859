package codertest

import "time"

// agentView is an agent on the wire. It is called with the lock held, like the
// other views.
func (s *Server) agentView(a *agent) agentJSON {
	dir := a.directory()
	status := a.status(s.cfg.AgentTimeout)
	v := agentJSON{
		ID: a.id, CreatedAt: a.created, UpdatedAt: a.updated, FirstConnectedAt: a.firstConnected,
		StartedAt: a.ready, ReadyAt: a.ready, Status: status, LifecycleState: "created", Name: a.name(),
		ResourceID: a.resourceID, Architecture: "amd64", OperatingSystem: "linux", LogsLength: len(startupLog),
		Directory: dir, ConnectionTimeoutSeconds: int(connectionTimeout / time.Second),
		TroubleshootingURL: "https://coder.com/docs/admin/templates/troubleshooting", Subsystems: []string{},
		Health:      agentHealthJSON{Healthy: true},
		DisplayApps: []string{"vscode", "ssh_helper", "port_forwarding_helper", "web_terminal"},
		LogSources: []logSourceJSON{{WorkspaceAgentID: a.id, ID: a.sourceID, CreatedAt: a.created,
			DisplayName: "Startup Script", Icon: "/emojis/25b6-fe0f.png"}},
		StartupScriptBehavior: "non-blocking",
	}
	script := scriptJSON{ID: a.script, LogSourceID: a.sourceID, LogPath: "coder-startup-script.log",
		Script: "echo \"startup script says hallo\"\necho \"second line\"\n", RunOnStart: true, DisplayName: "Startup Script"}
	v.Apps = s.appViews(a)
	v.Scripts = []scriptJSON{script}
	if a.live != nil {
		s.showLive(&v, a)
		return v
	}
	if a.firstConnected == nil {
		v.LogsLength = 0
		if !s.as.connectingIsHealthy {
			v.Health = agentHealthJSON{Reason: "agent has not yet connected"}
		}
		return v
	}
	seen := a.lastSeen()
	v.LastConnectedAt, v.LifecycleState = &seen, "ready"
	v.ExpandedDirectory, v.Version, v.APIVersion = dir, s.cfg.Version, s.as.agentAPI
	v.Scripts[0].ExitCode, v.Scripts[0].Status = since(s, 0), since(s, "ok")
	if v.DisconnectedAt = a.lost; status == "disconnected" {
		gone := a.gone(s.cfg.AgentTimeout)
		v.DisconnectedAt = &gone
		v.Health = agentHealthJSON{Reason: "agent has lost connection"}
		if a.off {
			v.LifecycleState, v.Health.Reason = "off", "agent is not running"
		}
		return v
	}
	v.Latency = map[string]latencyJSON{"Coder Embedded Relay": {true, 0.35}}
	return v
}

// showLive shows what an agent has reported itself.
func (s *Server) showLive(v *agentJSON, a *agent) {
	l := a.live
	v.StartedAt, v.ReadyAt, v.LifecycleState = l.started, a.ready, l.lifecycle
	v.LastConnectedAt, v.DisconnectedAt = a.lastConnected, a.lost
	v.ExpandedDirectory, v.Version, v.APIVersion = l.directory, l.version, l.api
	v.LogsLength, v.LogsOverflowed = l.logBytes, l.overflowed
	v.Subsystems = append(v.Subsystems, l.subsystems...)
	if a.off {
		v.LifecycleState = "off"
	}
	if a.sub != nil {
		v.ParentID = &a.sub.parent.id
		v.Architecture, v.OperatingSystem = a.sub.architecture, a.sub.operatingSys
		v.LogSources, v.Scripts = []logSourceJSON{}, []scriptJSON{}
		v.DisplayApps = []string{}
	}
	if l.foreign {
		v.LogSources = append(v.LogSources, logSourceJSON{WorkspaceAgentID: a.id, ID: foreignSource, CreatedAt: a.created, DisplayName: "External"})
	}
	if why := s.worry(v); why != "" {
		v.Health = agentHealthJSON{Reason: why}
	}
}

// worry is why an agent is not healthy, or "".
func (s *Server) worry(v *agentJSON) string {
	switch {
	case v.Status != "connected" && v.LifecycleState == "off":
		return "agent is not running"
	case v.Status == "timeout":
		return "agent is taking too long to connect"
	case v.Status == "disconnected":
		return "agent has lost connection"
	case v.Status == "connecting" && !s.as.connectingIsHealthy:
		return "agent has not yet connected"
	case v.LifecycleState == "start_error":
		return "agent startup script exited with an error"
	case v.LifecycleState == "shutting_down", v.LifecycleState == "shutdown_timeout", v.LifecycleState == "shutdown_error":
		return "agent is shutting down"
	}
	return ""
}

// gone is when a disconnected agent was found to be so.
func (a *agent) gone(timeout time.Duration) time.Time {
	if a.dead.IsZero() {
		return a.updated
	}
	return a.dead.Add(timeout)
}

// healthy reports whether an agent is no reason to worry.
func (s *Server) healthy(a *agent) bool {
	if a.live != nil {
		v := agentJSON{Status: a.status(s.cfg.AgentTimeout), LifecycleState: a.live.lifecycle}
		return s.worry(&v) == ""
	}
	status := a.status(s.cfg.AgentTimeout)
	return status == "connected" || status == "connecting" && s.as.connectingIsHealthy
}
