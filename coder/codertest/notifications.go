package codertest

import (
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// notificationJSON is an entry of an inbox.
type notificationJSON struct {
	ID         uuid.UUID    `json:"id"`
	UserID     uuid.UUID    `json:"user_id"`
	TemplateID uuid.UUID    `json:"template_id"`
	Targets    []uuid.UUID  `json:"targets"`
	Title      string       `json:"title"`
	Content    string       `json:"content"`
	Icon       string       `json:"icon"`
	Actions    []actionJSON `json:"actions"`
	ReadAt     *time.Time   `json:"read_at"`
	CreatedAt  time.Time    `json:"created_at"`
}

type actionJSON struct {
	Label string `json:"label"`
	URL   string `json:"url"`
}

// inboxSize is how many entries an inbox answers with, and keeps.
const inboxSize = 25

// inbox is what a user has been told, the newest first.
type inbox struct {
	entries []notificationJSON
	total   int
	changed signal
}

// notification is what some people are told.
type notification struct {
	to             func(*user) bool
	about          uuid.UUID
	kind           string // what it is a notification of
	title, content string
	icon           string
	action         actionJSON
}

// notify is called with the lock held.
func (s *Server) notify(n notification) {
	for _, to := range s.state.userList {
		if !n.to(to) || to.id == n.about {
			continue
		}
		entry := notificationJSON{
			ID: s.state.newID(), UserID: to.id, TemplateID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(n.kind)),
			Targets: []uuid.UUID{n.about}, Title: n.title, Content: n.content, Icon: n.icon,
			Actions: []actionJSON{n.action}, CreatedAt: now(),
		}
		in := to.inbox
		in.entries = append([]notificationJSON{entry}, in.entries[:min(len(in.entries), inboxSize-1)]...)
		in.total++
		in.changed.fire()
	}
}

// notifyAbout tells those who manage users what has become of one.
func (s *Server) notifyAbout(u, by *user, what string) {
	s.notify(notification{
		to: (*user).managesUsers, about: u.id, kind: "user " + what, title: fmt.Sprintf("User account %q %s", u.username, what),
		content: fmt.Sprintf("User account **%s** has been %s.\n\nThe account was %s by **%s**.", u.username, what, what, by.name),
		icon:    "DEFAULT_ICON_ACCOUNT",
		action:  actionJSON{"View accounts", s.url + "/deployment/users?filter=status%3Aactive"},
	})
}

// notifyTemplateDeleted tells those who manage templates.
func (s *Server) notifyTemplateDeleted(t *template, by *user) {
	s.notify(notification{
		to: (*user).managesTemplates, about: t.id, kind: "template deleted", title: fmt.Sprintf("Template %q deleted", t.name),
		content: fmt.Sprintf("The template **%s** was deleted by **%s**.", t.name, by.name),
		icon:    "DEFAULT_ICON_TEMPLATE",
		action:  actionJSON{"View templates", s.url + "/templates"},
	})
}

func (s *Server) notificationRoutes() {
	s.private("GET /api/v2/notifications/inbox", func(c *call) (int, any) {
		c.s.state.mu.RLock()
		defer c.s.state.mu.RUnlock()
		entries := append([]notificationJSON{}, c.user.inbox.entries...)
		return http.StatusOK, object{"notifications": entries, "unread_count": len(entries)}
	})
	s.private("GET /api/v2/notifications/inbox/watch", watchInbox)
}

// watchInbox sends what is new, each with the number of what is unread.
func watchInbox(c *call) (int, any) {
	in := c.user.inbox
	c.s.state.mu.RLock()
	seen := in.total
	c.s.state.mu.RUnlock()
	st := c.stream()
	if st == nil {
		return handled, nil
	}
	for {
		changed := in.changed.wait()
		c.s.state.mu.RLock()
		fresh := append([]notificationJSON{}, in.entries[:min(in.total-seen, len(in.entries))]...)
		seen = in.total
		unread := len(in.entries)
		c.s.state.mu.RUnlock()
		for i := len(fresh) - 1; i >= 0; i-- {
			st.send(object{"notification": fresh[i], "unread_count": unread})
		}
		select {
		case <-changed:
		case <-st.ctx.Done():
			return handled, nil
		}
	}
}
