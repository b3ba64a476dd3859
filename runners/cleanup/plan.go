package cleanup

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
)

// Kinds of what is deleted, as ledgers have them.
const (
	KindWorkspace = "workspace" // by name: owner/name
	KindUser      = "user"      // by name: the username
	KindKey       = "key"       // by name: username/ID
)

const (
	namePrefix  = "scaletest-"
	emailDomain = "@scaletest.local"
)

// Item is one thing to delete.
type Item struct {
	// Kind is one of the Kind constants, Name what the thing is called there.
	Kind, Name string
	// ID is the deployment's. It is Nil for keys, whose name holds theirs, and
	// for what does not exist.
	ID uuid.UUID
	// Run is the run that made it, where that is known.
	Run string
}

// String is like "workspace alice/dev".
func (i Item) String() string { return i.Kind + " " + i.Name }

// Left is something that was not deleted, and why.
type Left struct {
	Item
	Err error
}

// String is the item and the reason.
func (l Left) String() string { return fmt.Sprintf("%s: %v", l.Item, l.Err) }

// Plan is what a cleanup will delete, in this order. Nothing has been touched
// yet.
type Plan struct {
	Workspaces, Users, Keys []Item

	// Gone is what a ledger names and the deployment does not have.
	Gone []Item

	// Spared is what is not touched although a ledger names it or its own name
	// suggests it, and why.
	Spared []Left
}

// Size is how many things will be deleted.
func (p Plan) Size() int { return len(p.Workspaces) + len(p.Users) + len(p.Keys) }

// Items are all that will be deleted, in order.
func (p Plan) Items() []Item {
	out := make([]Item, 0, p.Size())
	return append(append(append(out, p.Workspaces...), p.Users...), p.Keys...)
}

// String counts, as in "3 workspaces, 1 user".
func (p Plan) String() string {
	var parts []string
	for _, of := range []struct {
		n    int
		what string
	}{{len(p.Workspaces), KindWorkspace}, {len(p.Users), KindUser}, {len(p.Keys), KindKey}} {
		if of.n > 0 {
			parts = append(parts, plural(of.n, of.what))
		}
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// add puts an item where it belongs.
func (p *Plan) add(i Item) {
	switch i.Kind {
	case KindWorkspace:
		p.Workspaces = append(p.Workspaces, i)
	case KindUser:
		p.Users = append(p.Users, i)
	case KindKey:
		p.Keys = append(p.Keys, i)
	}
}

func (p *Plan) spare(i Item, err error) { p.Spared = append(p.Spared, Left{i, err}) }

// keyParts are the user and the ID of a key.
func (i Item) keyParts() (user, id string) {
	user, id, _ = strings.Cut(i.Name, "/")
	return user, id
}

// byScaleTest reports whether a user is one that scale tests make.
func byScaleTest(u coder.User) bool {
	return strings.HasPrefix(u.Username, namePrefix) || hasTestAddress(u)
}

func hasTestAddress(u coder.User) bool {
	return strings.HasSuffix(strings.ToLower(u.Email), emailDomain)
}
