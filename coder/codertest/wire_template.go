package codertest

import (
	"time"

	"github.com/google/uuid"
)

// The JSON of organizations, templates and their versions.

type organizationJSON struct {
	ID                    uuid.UUID `json:"id"`
	Name                  string    `json:"name"`
	DisplayName           string    `json:"display_name"`
	Icon                  string    `json:"icon"`
	Description           string    `json:"description"`
	CreatedAt             time.Time `json:"created_at"`
	UpdatedAt             time.Time `json:"updated_at"`
	IsDefault             bool      `json:"is_default"`
	DefaultOrgMemberRoles []string  `json:"default_org_member_roles,omitempty"`
}

type templateJSON struct {
	ID                           uuid.UUID                `json:"id"`
	CreatedAt                    time.Time                `json:"created_at"`
	UpdatedAt                    time.Time                `json:"updated_at"`
	OrganizationID               uuid.UUID                `json:"organization_id"`
	OrganizationName             string                   `json:"organization_name"`
	OrganizationDisplayName      string                   `json:"organization_display_name"`
	OrganizationIcon             string                   `json:"organization_icon"`
	Name                         string                   `json:"name"`
	DisplayName                  string                   `json:"display_name"`
	Provisioner                  string                   `json:"provisioner"`
	ActiveVersionID              uuid.UUID                `json:"active_version_id"`
	ActiveUserCount              int                      `json:"active_user_count"`
	BuildTimeStats               map[string]buildTimeJSON `json:"build_time_stats"`
	Description                  string                   `json:"description"`
	Deprecated                   bool                     `json:"deprecated"`
	DeprecationMessage           string                   `json:"deprecation_message"`
	Deleted                      *bool                    `json:"deleted,omitempty"`
	Icon                         string                   `json:"icon"`
	DefaultTTLMillis             int64                    `json:"default_ttl_ms"`
	ActivityBumpMillis           int64                    `json:"activity_bump_ms"`
	TimeTilAutostopNotifyMillis  *int64                   `json:"time_til_autostop_notify_ms,omitempty"`
	AutostopRequirement          autostopJSON             `json:"autostop_requirement"`
	AutostartRequirement         autostartJSON            `json:"autostart_requirement"`
	CreatedByID                  uuid.UUID                `json:"created_by_id"`
	CreatedByName                string                   `json:"created_by_name"`
	AllowUserAutostart           bool                     `json:"allow_user_autostart"`
	AllowUserAutostop            bool                     `json:"allow_user_autostop"`
	AllowUserCancelWorkspaceJobs bool                     `json:"allow_user_cancel_workspace_jobs"`
	FailureTTLMillis             int64                    `json:"failure_ttl_ms"`
	TimeTilDormantMillis         int64                    `json:"time_til_dormant_ms"`
	TimeTilDormantDeleteMillis   int64                    `json:"time_til_dormant_autodelete_ms"`
	RequireActiveVersion         bool                     `json:"require_active_version"`
	MaxPortShareLevel            string                   `json:"max_port_share_level"`
	CORSBehavior                 string                   `json:"cors_behavior"`
	UseClassicParameterFlow      bool                     `json:"use_classic_parameter_flow"`
	AgentsAllowed                *bool                    `json:"agents_allowed,omitempty"`
	DisableModuleCache           *bool                    `json:"disable_module_cache,omitempty"`
}

type buildTimeJSON struct {
	P50 *int64 `json:"P50"`
	P95 *int64 `json:"P95"`
}

type autostopJSON struct {
	DaysOfWeek []string `json:"days_of_week"`
	Weeks      int      `json:"weeks"`
}

type autostartJSON struct {
	DaysOfWeek []string `json:"days_of_week"`
}

type versionJSON struct {
	ID               uuid.UUID     `json:"id"`
	TemplateID       *uuid.UUID    `json:"template_id,omitempty"`
	OrganizationID   uuid.UUID     `json:"organization_id"`
	CreatedAt        time.Time     `json:"created_at"`
	UpdatedAt        time.Time     `json:"updated_at"`
	Name             string        `json:"name"`
	Message          string        `json:"message"`
	Job              jobJSON       `json:"job"`
	Readme           string        `json:"readme"`
	CreatedBy        createdByJSON `json:"created_by"`
	Archived         bool          `json:"archived"`
	HasExternalAgent bool          `json:"has_external_agent"`
	// Only the one who asks for the import is told.
	MatchedProvisioners *matchedJSON `json:"matched_provisioners,omitempty"`
}

type createdByJSON struct {
	ID       uuid.UUID `json:"id"`
	Username string    `json:"username"`
	Name     string    `json:"name,omitempty"`
}

type parameterJSON struct {
	Name                 string       `json:"name"`
	DisplayName          string       `json:"display_name,omitempty"`
	Description          string       `json:"description"`
	DescriptionPlaintext string       `json:"description_plaintext"`
	Type                 string       `json:"type"`
	FormType             string       `json:"form_type"`
	Mutable              bool         `json:"mutable"`
	DefaultValue         string       `json:"default_value"`
	Icon                 string       `json:"icon"`
	Options              []optionJSON `json:"options"`
	ValidationError      string       `json:"validation_error,omitempty"`
	ValidationRegex      string       `json:"validation_regex,omitempty"`
	ValidationMin        *int         `json:"validation_min,omitempty"`
	ValidationMax        *int         `json:"validation_max,omitempty"`
	Required             bool         `json:"required"`
	Ephemeral            bool         `json:"ephemeral"`
}

type optionJSON struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Value       string `json:"value"`
	Icon        string `json:"icon"`
}

type parameterValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
