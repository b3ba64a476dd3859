package coder

import (
	"time"

	"github.com/google/uuid"
)

// Resource is something that a build made.
type Resource struct {
	ID         uuid.UUID          `json:"id"`
	JobID      uuid.UUID          `json:"job_id"`
	Transition string             `json:"workspace_transition"`
	Type       string             `json:"type"`
	Name       string             `json:"name"`
	Hide       bool               `json:"hide"`
	DailyCost  int                `json:"daily_cost"`
	Metadata   []ResourceMetadata `json:"metadata"`
	Agents     []Agent            `json:"agents"`
}

// ResourceMetadata is a value that the template shows. Sensitive values come
// as they are: keep them out of logs.
type ResourceMetadata struct {
	Key       string `json:"key"`
	Value     string `json:"value"`
	Sensitive bool   `json:"sensitive"`
}

// Statuses of an agent. Servers may add others.
const (
	AgentConnecting   = "connecting"
	AgentConnected    = "connected"
	AgentDisconnected = "disconnected"
	AgentTimeout      = "timeout"
)

// Lifecycle states of an agent. Servers may add others.
const (
	LifecycleCreated         = "created"
	LifecycleStarting        = "starting"
	LifecycleStartTimeout    = "start_timeout"
	LifecycleStartError      = "start_error"
	LifecycleReady           = "ready"
	LifecycleShuttingDown    = "shutting_down"
	LifecycleShutdownTimeout = "shutdown_timeout"
	LifecycleShutdownError   = "shutdown_error"
	LifecycleOff             = "off"
)

// Agent is the process in a workspace that terminals, SSH and apps go to.
// Each start build makes new ones: take the ID from the latest build only.
type Agent struct {
	ID                       uuid.UUID               `json:"id"`
	ParentID                 uuid.UUID               `json:"parent_id"` // of the agent around a dev container, else Nil
	Name                     string                  `json:"name"`
	ResourceID               uuid.UUID               `json:"resource_id"`
	Status                   string                  `json:"status"`
	LifecycleState           string                  `json:"lifecycle_state"`
	CreatedAt                time.Time               `json:"created_at"`
	FirstConnectedAt         time.Time               `json:"first_connected_at"` // zero before
	LastConnectedAt          time.Time               `json:"last_connected_at"`
	DisconnectedAt           time.Time               `json:"disconnected_at"`
	StartedAt                time.Time               `json:"started_at"` // of the startup scripts
	ReadyAt                  time.Time               `json:"ready_at"`   // when they had ended
	Architecture             string                  `json:"architecture"`
	OperatingSystem          string                  `json:"operating_system"`
	Version                  string                  `json:"version"`
	APIVersion               string                  `json:"api_version"`
	Directory                string                  `json:"directory"`
	ExpandedDirectory        string                  `json:"expanded_directory"`
	LogsLength               int                     `json:"logs_length"` // bytes
	LogsOverflowed           bool                    `json:"logs_overflowed"`
	ConnectionTimeoutSeconds int                     `json:"connection_timeout_seconds"`
	Latency                  map[string]AgentLatency `json:"latency"` // by DERP region
	Health                   AgentHealth             `json:"health"`
	DisplayApps              []string                `json:"display_apps"`
	Apps                     []App                   `json:"apps"`
	Scripts                  []AgentScript           `json:"scripts"`
	Subsystems               []string                `json:"subsystems"`
}

// Connected reports whether the agent has a connection to the server.
func (a Agent) Connected() bool { return a.Status == AgentConnected }

// Ready reports whether the agent is connected and its startup scripts have
// ended, well or not.
func (a Agent) Ready() bool {
	switch a.LifecycleState {
	case LifecycleReady, LifecycleStartError, LifecycleStartTimeout:
		return a.Connected()
	}
	return false
}

// App returns the agent's app with this slug.
func (a Agent) App(slug string) (App, bool) {
	for _, app := range a.Apps {
		if app.Slug == slug {
			return app, true
		}
	}
	return App{}, false
}

// AgentLatency is the agent's way to a DERP region.
type AgentLatency struct {
	Preferred bool    `json:"preferred"`
	Millis    float64 `json:"latency_ms"`
}

// AgentHealth is the server's opinion, see [Health].
type AgentHealth struct {
	Healthy bool   `json:"healthy"`
	Reason  string `json:"reason"`
}

// AgentScript is a script that the agent runs.
type AgentScript struct {
	ID               uuid.UUID     `json:"id"`
	LogSourceID      uuid.UUID     `json:"log_source_id"`
	DisplayName      string        `json:"display_name"`
	StartBlocksLogin bool          `json:"start_blocks_login"`
	RunOnStart       bool          `json:"run_on_start"`
	RunOnStop        bool          `json:"run_on_stop"`
	Cron             string        `json:"cron"`
	Timeout          time.Duration `json:"timeout"`
}

// App is a web server or command in a workspace.
type App struct {
	ID            uuid.UUID `json:"id"`
	Slug          string    `json:"slug"`
	DisplayName   string    `json:"display_name"`
	URL           string    `json:"url"` // as the agent sees it
	External      bool      `json:"external"`
	Subdomain     bool      `json:"subdomain"`
	SubdomainName string    `json:"subdomain_name"` // the label in place of the asterisk
	SharingLevel  string    `json:"sharing_level"`  // owner, authenticated, organization or public
	Health        string    `json:"health"`         // disabled, initializing, healthy or unhealthy
	Hidden        bool      `json:"hidden"`
	OpenIn        string    `json:"open_in"`
	Command       string    `json:"command"`
}
