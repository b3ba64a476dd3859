package coder_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
)

// listing serves workspaces and changes between the pages.
type listing struct {
	items  []coder.Workspace
	pages  int
	change func(l *listing)
}

func (l *listing) answer(req *http.Request) (*http.Response, error) {
	q := req.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit"))
	offset, _ := strconv.Atoi(q.Get("offset"))
	end := len(l.items)
	if limit > 0 {
		end = min(end, offset+limit)
	}
	body, err := json.Marshal(coder.WorkspacesPage{Workspaces: l.items[min(offset, len(l.items)):max(end, min(offset, len(l.items)))], Count: len(l.items)})
	l.pages++
	if l.change != nil {
		l.change(l)
	}
	if err != nil {
		return nil, err
	}
	return says(200, string(body))()
}

func workspaces(from, to int) []coder.Workspace {
	var out []coder.Workspace
	for i := from; i < to; i++ {
		out = append(out, coder.Workspace{
			ID: uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)), Name: fmt.Sprint("w", i),
			// Pairs have the same time, so that the ID must decide.
			CreatedAt: time.Date(2026, 1, 1, 0, i/2, 0, 0, time.UTC),
		})
	}
	return out
}

func TestListingsHaveNoGapsOrDoublesWhileOthersComeAndGo(t *testing.T) {
	at := func(page int, change func(l *listing)) func(*listing) {
		return func(l *listing) {
			if l.pages == page {
				change(l)
			}
		}
	}
	for name, change := range map[string]func(*listing){
		"quiet":           nil,
		"deleted before":  at(1, func(l *listing) { l.items = l.items[1:] }),
		"created before":  at(1, func(l *listing) { l.items = append(workspaces(100, 101), l.items...) }),
		"created at end":  at(2, func(l *listing) { l.items = append(l.items, workspaces(100, 101)...) }),
		"same total":      at(1, func(l *listing) { l.items = append(l.items[1:], workspaces(100, 101)...) }),
		"reordered":       at(1, func(l *listing) { slices.Reverse(l.items) }),
		"emptied":         at(1, func(l *listing) { l.items = nil }),
		"never quiet":     func(l *listing) { l.items = append(l.items[1:], workspaces(200+l.pages, 201+l.pages)...) },
		"always reversed": func(l *listing) { slices.Reverse(l.items) },
	} {
		t.Run(name, func(t *testing.T) {
			l := &listing{items: workspaces(0, 23), change: change}
			var last []coder.Workspace
			c, _ := fakeClient(t, coder.Config{}, func(req *http.Request) (*http.Response, error) {
				last = slices.Clone(l.items)
				return l.answer(req)
			})
			got, err := c.AllWorkspaces(t.Context(), coder.WorkspacesQuery{Limit: 5})
			require.NoError(t, err)
			var names, want []string
			for _, w := range got {
				names = append(names, w.Name)
			}
			for _, w := range last {
				want = append(want, w.Name)
			}
			assert.ElementsMatch(t, want, names)
			assert.True(t, slices.IsSortedFunc(got, func(a, b coder.Workspace) int {
				if order := a.CreatedAt.Compare(b.CreatedAt); order != 0 {
					return order
				}
				return slices.Compare(a.ID[:], b.ID[:])
			}), "the order must not depend on the server's")
		})
	}
}

func TestQueriesAreWrittenAsTheServerReadsThem(t *testing.T) {
	c, f := fakeClient(t, coder.Config{}, answers(says(200, `{}`)))
	_, err := c.Workspaces(t.Context(), coder.WorkspacesQuery{
		Owner: coder.Me, Template: "my template", Name: "a", Status: coder.StatusRunning, HasAgent: coder.AgentConnected,
		Search: "outdated:false", Limit: 10, Offset: 20,
	})
	require.NoError(t, err)
	q := f.requests[0].URL.Query()
	assert.Equal(t, `owner:me template:"my template" name:a status:running has-agent:connected outdated:false`, q.Get("q"))
	assert.Equal(t, "10", q.Get("limit"))
	assert.Equal(t, "20", q.Get("offset"))
	_, err = c.Users(t.Context(), coder.UsersQuery{Search: "ali", Status: "active", Role: "owner"})
	require.NoError(t, err)
	assert.Equal(t, "status:active role:owner ali", f.requests[1].URL.Query().Get("q"))
}
