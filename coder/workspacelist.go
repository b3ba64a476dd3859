package coder

import (
	"context"
	"net/url"
	"time"

	"github.com/google/uuid"
)

// WorkspacesQuery selects workspaces. The zero value selects all that the
// token may see.
type WorkspacesQuery struct {
	// Owner is a user name or [Me].
	Owner string
	// Template is a template's name.
	Template string
	// Name is a piece of the name.
	Name string
	// Status is one of the Status constants.
	Status string
	// HasAgent is the status of an agent: AgentConnecting, AgentConnected,
	// AgentDisconnected or AgentTimeout.
	HasAgent string
	// Search is added to the query as it is, for example `outdated:true`.
	// Unknown keys are refused, and which are known depends on the version.
	Search string
	// Limit is the size of a page. For Workspaces 0 means all, for
	// AllWorkspaces 100.
	Limit int
	// Offset is how many workspaces to skip. AllWorkspaces does not use it.
	Offset int
}

func (q WorkspacesQuery) values() url.Values {
	text := searchQuery(q.Search, "owner", q.Owner, "template", q.Template, "name", q.Name, "status", q.Status, "has-agent", q.HasAgent)
	return pageValues(text, q.Limit, q.Offset)
}

// WorkspacesPage is one page of workspaces.
type WorkspacesPage struct {
	Workspaces []Workspace `json:"workspaces"`
	Count      int         `json:"count"` // of all that the query selects, also past the end
}

// Workspaces reads one page of workspaces. The server's order depends on
// their state: take AllWorkspaces for one that stays.
//
// GET /api/v2/workspaces
func (c *Client) Workspaces(ctx context.Context, q WorkspacesQuery) (WorkspacesPage, error) {
	var out WorkspacesPage
	err := c.get(ctx, "list workspaces", api("workspaces"), q.values(), &out)
	return out, err
}

// AllWorkspaces reads all workspaces that the query selects, page by page,
// without gaps or doubles while others come and go. They are ordered by
// creation, then ID.
//
// GET /api/v2/workspaces
func (c *Client) AllWorkspaces(ctx context.Context, q WorkspacesQuery) ([]Workspace, error) {
	return readAll(ctx, q.Limit, pager[Workspace]{
		read: func(ctx context.Context, limit, offset int) ([]Workspace, int, error) {
			q.Limit, q.Offset = limit, offset
			page, err := c.Workspaces(ctx, q)
			return page.Workspaces, page.Count, err
		},
		key: func(w Workspace) (uuid.UUID, time.Time) { return w.ID, w.CreatedAt },
	})
}
