package codertest

import (
	"time"

	"github.com/google/uuid"
)

// The JSON of resources and agents.

type resourceJSON struct {
	ID                  uuid.UUID      `json:"id"`
	CreatedAt           time.Time      `json:"created_at"`
	JobID               uuid.UUID      `json:"job_id"`
	WorkspaceTransition string         `json:"workspace_transition"`
	Type                string         `json:"type"`
	Name                string         `json:"name"`
	Hide                bool           `json:"hide"`
	Icon                string         `json:"icon"`
	Agents              []agentJSON    `json:"agents,omitempty"`
	Metadata            []metadataJSON `json:"metadata,omitempty"`
	DailyCost           int            `json:"daily_cost"`
}

type metadataJSON struct {
	Key       string `json:"key"`
	Value     string `json:"value"`
	Sensitive bool   `json:"sensitive"`
}

type agentJSON struct {
	ID                       uuid.UUID              `json:"id"`
	ParentID                 *uuid.UUID             `json:"parent_id"`
	CreatedAt                time.Time              `json:"created_at"`
	UpdatedAt                time.Time              `json:"updated_at"`
	FirstConnectedAt         *time.Time             `json:"first_connected_at,omitempty"`
	LastConnectedAt          *time.Time             `json:"last_connected_at,omitempty"`
	DisconnectedAt           *time.Time             `json:"disconnected_at,omitempty"`
	StartedAt                *time.Time             `json:"started_at,omitempty"`
	ReadyAt                  *time.Time             `json:"ready_at,omitempty"`
	Status                   string                 `json:"status"`
	LifecycleState           string                 `json:"lifecycle_state"`
	Name                     string                 `json:"name"`
	ResourceID               uuid.UUID              `json:"resource_id"`
	Architecture             string                 `json:"architecture"`
	EnvironmentVariables     map[string]string      `json:"environment_variables"`
	OperatingSystem          string                 `json:"operating_system"`
	LogsLength               int                    `json:"logs_length"`
	LogsOverflowed           bool                   `json:"logs_overflowed"`
	Directory                string                 `json:"directory,omitempty"`
	ExpandedDirectory        string                 `json:"expanded_directory,omitempty"`
	Version                  string                 `json:"version"`
	APIVersion               string                 `json:"api_version"`
	Apps                     []appJSON              `json:"apps"`
	Latency                  map[string]latencyJSON `json:"latency,omitempty"`
	ConnectionTimeoutSeconds int                    `json:"connection_timeout_seconds"`
	TroubleshootingURL       string                 `json:"troubleshooting_url"`
	Subsystems               []string               `json:"subsystems"`
	Health                   agentHealthJSON        `json:"health"`
	DisplayApps              []string               `json:"display_apps"`
	LogSources               []logSourceJSON        `json:"log_sources"`
	Scripts                  []scriptJSON           `json:"scripts"`
	StartupScriptBehavior    string                 `json:"startup_script_behavior"`
}

type latencyJSON struct {
	Preferred bool    `json:"preferred"`
	LatencyMS float64 `json:"latency_ms"`
}

type agentHealthJSON struct {
	Healthy bool   `json:"healthy"`
	Reason  string `json:"reason,omitempty"`
}

type appJSON struct {
	ID            uuid.UUID       `json:"id"`
	URL           string          `json:"url"`
	External      bool            `json:"external"`
	Slug          string          `json:"slug"`
	DisplayName   string          `json:"display_name"`
	Subdomain     bool            `json:"subdomain"`
	SharingLevel  string          `json:"sharing_level"`
	Healthcheck   healthcheckJSON `json:"healthcheck"`
	Health        string          `json:"health"`
	Hidden        bool            `json:"hidden"`
	OpenIn        string          `json:"open_in"`
	Statuses      []struct{}      `json:"statuses"`
	SubdomainName string          `json:"subdomain_name,omitempty"`
}

type healthcheckJSON struct {
	URL       string `json:"url"`
	Interval  int    `json:"interval"`
	Threshold int    `json:"threshold"`
}

type logSourceJSON struct {
	WorkspaceAgentID uuid.UUID `json:"workspace_agent_id"`
	ID               uuid.UUID `json:"id"`
	CreatedAt        time.Time `json:"created_at"`
	DisplayName      string    `json:"display_name"`
	Icon             string    `json:"icon"`
}

type scriptJSON struct {
	ID               uuid.UUID `json:"id"`
	LogSourceID      uuid.UUID `json:"log_source_id"`
	LogPath          string    `json:"log_path"`
	Script           string    `json:"script"`
	Cron             string    `json:"cron"`
	RunOnStart       bool      `json:"run_on_start"`
	RunOnStop        bool      `json:"run_on_stop"`
	StartBlocksLogin bool      `json:"start_blocks_login"`
	Timeout          int64     `json:"timeout"`
	DisplayName      string    `json:"display_name"`
	ExitCode         *int      `json:"exit_code,omitempty"`
	Status           *string   `json:"status,omitempty"`
}
