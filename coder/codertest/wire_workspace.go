package codertest

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// The JSON of workspaces, builds and jobs.

type workspacesJSON struct {
	Workspaces []workspaceJSON `json:"workspaces"`
	Count      int             `json:"count"`
}

type workspaceJSON struct {
	ID                                   uuid.UUID       `json:"id"`
	CreatedAt                            time.Time       `json:"created_at"`
	UpdatedAt                            time.Time       `json:"updated_at"`
	OwnerID                              uuid.UUID       `json:"owner_id"`
	OwnerName                            string          `json:"owner_name"`
	OwnerAvatarURL                       string          `json:"owner_avatar_url"`
	OrganizationID                       uuid.UUID       `json:"organization_id"`
	OrganizationName                     string          `json:"organization_name"`
	TemplateID                           uuid.UUID       `json:"template_id"`
	TemplateName                         string          `json:"template_name"`
	TemplateDisplayName                  string          `json:"template_display_name"`
	TemplateIcon                         string          `json:"template_icon"`
	TemplateAllowUserCancelWorkspaceJobs bool            `json:"template_allow_user_cancel_workspace_jobs"`
	TemplateActiveVersionID              uuid.UUID       `json:"template_active_version_id"`
	TemplateRequireActiveVersion         bool            `json:"template_require_active_version"`
	TemplateUseClassicParameterFlow      bool            `json:"template_use_classic_parameter_flow"`
	LatestBuild                          buildJSON       `json:"latest_build"`
	LatestAppStatus                      *struct{}       `json:"latest_app_status"`
	Outdated                             bool            `json:"outdated"`
	Name                                 string          `json:"name"`
	AutostartSchedule                    *string         `json:"autostart_schedule,omitempty"`
	TTLMillis                            *int64          `json:"ttl_ms,omitempty"`
	LastUsedAt                           time.Time       `json:"last_used_at"`
	DeletingAt                           *time.Time      `json:"deleting_at"`
	DormantAt                            *time.Time      `json:"dormant_at"`
	Health                               healthJSON      `json:"health"`
	AutomaticUpdates                     string          `json:"automatic_updates"`
	AllowRenames                         bool            `json:"allow_renames"`
	Favorite                             bool            `json:"favorite"`
	NextStartAt                          *time.Time      `json:"next_start_at"`
	IsPrebuild                           bool            `json:"is_prebuild"`
	TaskID                               json.RawMessage `json:"task_id,omitempty"`
	SharedWith                           *[]struct{}     `json:"shared_with,omitempty"`
}

type healthJSON struct {
	Healthy       bool        `json:"healthy"`
	FailingAgents []uuid.UUID `json:"failing_agents"`
}

type buildJSON struct {
	ID                      uuid.UUID      `json:"id"`
	CreatedAt               time.Time      `json:"created_at"`
	UpdatedAt               time.Time      `json:"updated_at"`
	WorkspaceID             uuid.UUID      `json:"workspace_id"`
	WorkspaceName           string         `json:"workspace_name"`
	WorkspaceOwnerID        uuid.UUID      `json:"workspace_owner_id"`
	WorkspaceOwnerName      string         `json:"workspace_owner_name"`
	TemplateVersionID       uuid.UUID      `json:"template_version_id"`
	TemplateVersionName     string         `json:"template_version_name"`
	BuildNumber             int            `json:"build_number"`
	Transition              string         `json:"transition"`
	InitiatorID             uuid.UUID      `json:"initiator_id"`
	InitiatorName           string         `json:"initiator_name"`
	Job                     jobJSON        `json:"job"`
	Reason                  string         `json:"reason"`
	Resources               []resourceJSON `json:"resources"`
	Deadline                *time.Time     `json:"deadline"`
	MaxDeadline             *time.Time     `json:"max_deadline"`
	Status                  string         `json:"status"`
	DailyCost               int            `json:"daily_cost"`
	MatchedProvisioners     matchedJSON    `json:"matched_provisioners"`
	TemplateVersionPresetID *uuid.UUID     `json:"template_version_preset_id"`
	HasAITask               *bool          `json:"has_ai_task,omitempty"`
	HasExternalAgent        *bool          `json:"has_external_agent,omitempty"`
}

type matchedJSON struct {
	Count            int        `json:"count"`
	Available        int        `json:"available"`
	MostRecentlySeen *time.Time `json:"most_recently_seen"`
}

type jobJSON struct {
	ID             uuid.UUID         `json:"id"`
	CreatedAt      time.Time         `json:"created_at"`
	StartedAt      *time.Time        `json:"started_at,omitempty"`
	CompletedAt    *time.Time        `json:"completed_at,omitempty"`
	CanceledAt     *time.Time        `json:"canceled_at,omitempty"`
	Error          string            `json:"error,omitempty"`
	Status         string            `json:"status"`
	WorkerID       *uuid.UUID        `json:"worker_id,omitempty"`
	FileID         uuid.UUID         `json:"file_id"`
	Tags           map[string]string `json:"tags"`
	QueuePosition  int               `json:"queue_position"`
	QueueSize      int               `json:"queue_size"`
	OrganizationID uuid.UUID         `json:"organization_id"`
	InitiatorID    *uuid.UUID        `json:"initiator_id,omitempty"`
	Input          jobInputJSON      `json:"input"`
	Type           string            `json:"type"`
	Metadata       jobMetadataJSON   `json:"metadata"`
	LogsOverflowed bool              `json:"logs_overflowed"`
}

type jobInputJSON struct {
	TemplateVersionID *uuid.UUID `json:"template_version_id,omitempty"`
	WorkspaceBuildID  *uuid.UUID `json:"workspace_build_id,omitempty"`
}

type jobMetadataJSON struct {
	TemplateVersionName string    `json:"template_version_name"`
	TemplateID          uuid.UUID `json:"template_id"`
	TemplateName        string    `json:"template_name"`
	TemplateDisplayName string    `json:"template_display_name"`
	TemplateIcon        string    `json:"template_icon"`
}
