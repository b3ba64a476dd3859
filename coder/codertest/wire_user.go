package codertest

import (
	"time"

	"github.com/google/uuid"
)

// The JSON of users, keys and organizations.

type userJSON struct {
	ID              uuid.UUID   `json:"id"`
	Username        string      `json:"username"`
	Name            string      `json:"name,omitempty"`
	Email           string      `json:"email"`
	CreatedAt       time.Time   `json:"created_at"`
	UpdatedAt       time.Time   `json:"updated_at"`
	LastSeenAt      time.Time   `json:"last_seen_at"`
	Status          string      `json:"status"`
	LoginType       string      `json:"login_type"`
	OrganizationIDs []uuid.UUID `json:"organization_ids"`
	Roles           []roleJSON  `json:"roles"`
	HasAISeat       *bool       `json:"has_ai_seat,omitempty"`
}

type roleJSON struct {
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`
}

type usersJSON struct {
	Users []userJSON `json:"users"`
	Count int        `json:"count"`
}

type memberJSON struct {
	Username       string     `json:"username"`
	Name           string     `json:"name,omitempty"`
	Email          string     `json:"email"`
	Status         *string    `json:"status,omitempty"`
	LoginType      *string    `json:"login_type,omitempty"`
	LastSeenAt     *time.Time `json:"last_seen_at,omitempty"`
	UserCreatedAt  *time.Time `json:"user_created_at,omitempty"`
	UserUpdatedAt  *time.Time `json:"user_updated_at,omitempty"`
	GlobalRoles    []roleJSON `json:"global_roles"`
	HasAISeat      *bool      `json:"has_ai_seat,omitempty"`
	UserID         uuid.UUID  `json:"user_id"`
	OrganizationID uuid.UUID  `json:"organization_id"`
	CreatedAt      time.Time  `json:"created_at"`
	UpdatedAt      time.Time  `json:"updated_at"`
	Roles          []roleJSON `json:"roles"`
}

type keyJSON struct {
	ID              string    `json:"id"`
	UserID          uuid.UUID `json:"user_id"`
	LastUsed        time.Time `json:"last_used"`
	ExpiresAt       time.Time `json:"expires_at"`
	CreatedAt       time.Time `json:"created_at"`
	UpdatedAt       time.Time `json:"updated_at"`
	LoginType       string    `json:"login_type"`
	Scope           string    `json:"scope"`
	Scopes          []string  `json:"scopes,omitempty"`
	TokenName       string    `json:"token_name"`
	LifetimeSeconds int64     `json:"lifetime_seconds"`
	AllowList       []string  `json:"allow_list,omitempty"`
}

type tokenJSON struct {
	keyJSON
	Username string `json:"username"`
}
