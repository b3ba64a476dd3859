package coder

import (
	"context"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// TemplateVersion is one state of a template's source.
type TemplateVersion struct {
	ID                  uuid.UUID            `json:"id"`
	TemplateID          uuid.UUID            `json:"template_id"` // Nil before it has a template
	OrganizationID      uuid.UUID            `json:"organization_id"`
	Name                string               `json:"name"`
	Message             string               `json:"message"`
	Job                 Job                  `json:"job"`
	Archived            bool                 `json:"archived"`
	CreatedAt           time.Time            `json:"created_at"`
	HasExternalAgent    bool                 `json:"has_external_agent"`
	MatchedProvisioners *MatchedProvisioners `json:"matched_provisioners"` // nil on old servers
}

// TemplateVersion reads a version by ID.
//
// GET /api/v2/templateversions/{version}
func (c *Client) TemplateVersion(ctx context.Context, id uuid.UUID) (TemplateVersion, error) {
	var out TemplateVersion
	err := c.get(ctx, "read template version "+id.String(), api("templateversions", id.String()), nil, &out)
	return out, err
}

// TemplateVersions lists the versions of a template.
//
// GET /api/v2/templates/{template}/versions
func (c *Client) TemplateVersions(ctx context.Context, template uuid.UUID) ([]TemplateVersion, error) {
	var out []TemplateVersion
	err := c.get(ctx, "list the versions of template "+template.String(), api("templates", template.String(), "versions"), nil, &out)
	return out, err
}

// UploadFile stores a tar archive (USTAR) with a template's source and returns
// the ID of the file. The server takes 100 MiB and 12 uploads a minute. The
// same content gives the same file, so that it is sent again after a failure.
//
// POST /api/v2/files
func (c *Client) UploadFile(ctx context.Context, tar []byte) (uuid.UUID, error) {
	if tar == nil {
		tar = []byte{}
	}
	var out struct {
		Hash uuid.UUID `json:"hash"`
	}
	err := c.do(ctx, call{
		action: "upload a template of " + strconv.Itoa(len(tar)) + " bytes", method: http.MethodPost, path: api("files"),
		raw: tar, contentType: "application/x-tar", out: &out, repeatable: true,
	})
	return out.Hash, err
}

// CreateTemplateVersionRequest describes a version to import.
type CreateTemplateVersionRequest struct {
	Name    string // the server picks when empty
	Message string
	// TemplateID is the template that gets the version. Nil means a version
	// from which CreateTemplate makes a template.
	TemplateID uuid.UUID
	// FileID is the uploaded source.
	FileID uuid.UUID
	// Provisioner is "terraform" when empty, or "echo" on servers that run it.
	Provisioner string
	// Tags choose the provisioner daemons.
	Tags map[string]string
	// Variables are values for the template's Terraform variables.
	Variables map[string]string
}

// CreateTemplateVersion begins an import. It goes on in the background, see
// WaitTemplateVersion.
//
// POST /api/v2/organizations/{organization}/templateversions
func (c *Client) CreateTemplateVersion(ctx context.Context, organization string, req CreateTemplateVersionRequest) (TemplateVersion, error) {
	body := map[string]any{
		"storage_method": "file",
		"file_id":        req.FileID,
		"provisioner":    "terraform",
		"tags":           map[string]string{},
	}
	for key, value := range map[string]string{"name": req.Name, "message": req.Message, "provisioner": req.Provisioner} {
		if value != "" {
			body[key] = value
		}
	}
	if req.TemplateID != uuid.Nil {
		body["template_id"] = req.TemplateID
	}
	if req.Tags != nil {
		body["tags"] = req.Tags
	}
	var secrets []string // variables are where templates take passwords
	if len(req.Variables) > 0 {
		var values []BuildParameter
		for _, name := range slices.Sorted(maps.Keys(req.Variables)) {
			values = append(values, BuildParameter{Name: name, Value: req.Variables[name]})
			secrets = append(secrets, req.Variables[name])
		}
		body["user_variable_values"] = values
	}
	var out TemplateVersion
	err := c.do(ctx, call{
		action: "import a template version", method: http.MethodPost,
		path: api("organizations", organization, "templateversions"), body: body, out: &out, secrets: secrets,
	})
	return out, err
}

// CancelTemplateVersion stops an import.
//
// PATCH /api/v2/templateversions/{version}/cancel
func (c *Client) CancelTemplateVersion(ctx context.Context, id uuid.UUID) error {
	return c.do(ctx, call{
		action: "cancel the import of template version " + id.String(), method: http.MethodPatch,
		path: api("templateversions", id.String(), "cancel"),
	})
}

// WaitTemplateVersion waits until an import has ended and returns the
// version. One without success is a *[JobError].
//
// GET /api/v2/templateversions/{version}, repeatedly
func (c *Client) WaitTemplateVersion(ctx context.Context, id uuid.UUID) (TemplateVersion, error) {
	return poll(ctx, c, func(ctx context.Context) (TemplateVersion, bool, error) {
		v, err := c.TemplateVersion(ctx, id)
		if err == nil && v.Job.Done() && v.Job.Status != JobSucceeded {
			err = &JobError{Action: "import template version " + id.String(), Job: v.Job}
		}
		return v, v.Job.Done(), err
	})
}

// TemplateVersionLogs reads the log of an import after a log ID, 0 for all.
//
// GET /api/v2/templateversions/{version}/logs
func (c *Client) TemplateVersionLogs(ctx context.Context, id uuid.UUID, after int64) ([]ProvisionerLog, error) {
	var out []ProvisionerLog
	err := c.get(ctx, "read the log of template version "+id.String(), api("templateversions", id.String(), "logs"), afterValues(after), &out)
	return out, err
}

// FollowTemplateVersionLogs yields the log of an import after a log ID as it
// is written, until the import has ended. See [Client.FollowBuildLogs].
//
// GET /api/v2/templateversions/{version}/logs?follow (WebSocket)
func (c *Client) FollowTemplateVersionLogs(ctx context.Context, id uuid.UUID, after int64) iter.Seq2[ProvisionerLog, error] {
	return followLogs(ctx, c, logFollow[ProvisionerLog]{
		action: "follow the log of template version " + id.String(),
		path:   api("templateversions", id.String(), "logs"),
		after:  after,
		decode: decodeLogs[ProvisionerLog],
		id:     func(l ProvisionerLog) int64 { return l.ID },
		done: func(ctx context.Context) (bool, error) {
			v, err := c.TemplateVersion(ctx, id)
			return v.Job.Done(), err
		},
	})
}

// TemplateVersionResources lists what a workspace of the version consists of.
//
// GET /api/v2/templateversions/{version}/resources
func (c *Client) TemplateVersionResources(ctx context.Context, id uuid.UUID) ([]Resource, error) {
	var out []Resource
	err := c.get(ctx, "list the resources of template version "+id.String(), api("templateversions", id.String(), "resources"), nil, &out)
	return out, err
}
