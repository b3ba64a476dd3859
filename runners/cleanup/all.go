package cleanup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
)

// AllOptions narrow down what [All] takes.
type AllOptions struct {
	// Template is the name or the ID of the template whose workspaces are
	// deleted. "" means all. Users who own other workspaces are left then.
	Template string

	// Run is the ID of the only run whose things are deleted: those whose names carry
	// it. Nothing else of scale tests is touched, not even users in
	// @scaletest.local. "" means all.
	Run string
}

// made reports whether a user is one that [All] looks for.
func (o AllOptions) made(u coder.User) bool {
	return o.Run != "" && o.named(u.Username) || o.Run == "" && byScaleTest(u)
}

// named reports whether a name is one that [All] looks for.
func (o AllOptions) named(name string) bool {
	if o.Run != "" {
		return strings.HasPrefix(name, namePrefix+o.Run+"-")
	}
	return strings.HasPrefix(name, namePrefix)
}

// All plans to delete everything that scale tests have made, also those of
// others: workspaces whose name or whose owner's begins with "scaletest-", users
// whose name does, users with an address in @scaletest.local, and all their
// workspaces, because a user can't be deleted before them. It never takes the
// token's own user, nor prebuilt workspaces. It sees what the token may see: take
// an owner's.
func All(ctx context.Context, c *coder.Client, o AllOptions) (Plan, error) {
	me, err := c.User(ctx, coder.Me)
	if err != nil {
		return Plan{}, err
	}
	templates, err := templateIDs(ctx, c, o.Template)
	if err != nil {
		return Plan{}, err
	}
	users, err := c.AllUsers(ctx, coder.UsersQuery{})
	if err != nil {
		return Plan{}, err
	}
	workspaces, err := c.AllWorkspaces(ctx, coder.WorkspacesQuery{})
	if err != nil {
		return Plan{}, err
	}
	ours := map[uuid.UUID]bool{} // users
	for _, u := range users {
		ours[u.ID] = o.made(u) && u.ID != me.ID && u.Username != prebuildsOwner
	}
	var p Plan
	keeps := map[uuid.UUID]int{} // workspaces of a user that are not deleted
	for _, w := range workspaces {
		item := Item{Kind: KindWorkspace, Name: w.FullName(), ID: w.ID}
		named := o.named(w.Name) || ours[w.OwnerID]
		switch {
		case named && prebuilt(w):
			p.spare(item, ErrPrebuilt)
			keeps[w.OwnerID]++
		case named && (o.Template == "" || slices.Contains(templates, w.TemplateID)):
			p.add(item)
		default:
			keeps[w.OwnerID]++
		}
	}
	for _, u := range users {
		item := Item{Kind: KindUser, Name: u.Username, ID: u.ID}
		switch {
		case o.made(u) && u.ID == me.ID:
			p.spare(item, errors.New("the token belongs to this user"))
		case ours[u.ID] && keeps[u.ID] > 0:
			p.spare(item, fmt.Errorf("the user owns %s that will not be deleted", plural(keeps[u.ID], "other "+KindWorkspace)))
		case ours[u.ID]:
			p.add(item)
		}
	}
	return p, nil
}

// templateIDs finds a template by name or ID. One name can be that of a template
// in each organization.
func templateIDs(ctx context.Context, c *coder.Client, nameOrID string) ([]uuid.UUID, error) {
	if nameOrID == "" {
		return nil, nil
	}
	templates, err := c.Templates(ctx)
	if err != nil {
		return nil, err
	}
	var ids []uuid.UUID
	var names []string
	for _, t := range templates {
		if names = append(names, t.Name); t.Name == nameOrID || t.ID.String() == nameOrID {
			ids = append(ids, t.ID)
		}
	}
	if ids == nil {
		slices.Sort(names)
		return nil, fmt.Errorf("there is no template %q: want the name or ID of one of %s", nameOrID, strings.Join(names[:min(len(names), 20)], ", "))
	}
	return ids, nil
}
