package coder

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// watchBacklog is how many states may wait for a slow consumer.
const watchBacklog = 64

// WatchWorkspace yields a workspace now and whenever it, one of its agents or
// its template changes. It takes the WebSocket, or server-sent events on
// servers without one. When the consumer is slow, older states are dropped.
// The sequence does not reconnect: an error is the last thing that it yields.
//
// Each watcher makes the server run its workspace query at every change, so
// that many watchers of one owner are costly.
//
// GET /api/v2/workspaces/{workspace}/watch-ws (WebSocket), or
// GET /api/v2/workspaces/{workspace}/watch (server-sent events)
func (c *Client) WatchWorkspace(ctx context.Context, id uuid.UUID) iter.Seq2[Workspace, error] {
	return watch[Workspace](ctx, c, watchTarget{
		action: "watch workspace " + id.String(),
		socket: api("workspaces", id.String(), "watch-ws"),
		events: api("workspaces", id.String(), "watch"),
		lacks:  &c.shared.noWatchWS,
	})
}

// AgentMetadata is a value that an agent measures at intervals.
type AgentMetadata struct {
	Result struct {
		CollectedAt time.Time `json:"collected_at"`
		AgeSeconds  int64     `json:"age"`
		Value       string    `json:"value"` // older servers keep the newline at its end
		Error       string    `json:"error"`
	} `json:"result"`
	Description struct {
		DisplayName     string `json:"display_name"`
		Key             string `json:"key"`
		Script          string `json:"script"`
		IntervalSeconds int64  `json:"interval"`
		TimeoutSeconds  int64  `json:"timeout"`
	} `json:"description"`
}

// WatchAgentMetadata yields all metadata of an agent now, at changes at most
// once a second, and every 5 seconds. As for WatchWorkspace, older states are
// dropped when the consumer is slow, and it does not reconnect.
//
// GET /api/v2/workspaceagents/{agent}/watch-metadata-ws (WebSocket), or
// GET /api/v2/workspaceagents/{agent}/watch-metadata (server-sent events)
func (c *Client) WatchAgentMetadata(ctx context.Context, agent uuid.UUID) iter.Seq2[[]AgentMetadata, error] {
	return watch[[]AgentMetadata](ctx, c, watchTarget{
		action: "watch the metadata of agent " + agent.String(),
		socket: api("workspaceagents", agent.String(), "watch-metadata-ws"),
		events: api("workspaceagents", agent.String(), "watch-metadata"),
		lacks:  &c.shared.noMetadataWS,
	})
}

// watchTarget is something with two ways to be watched.
type watchTarget struct {
	action         string
	socket, events []string
	lacks          *atomic.Bool // the server has no socket
}

func (c *Client) openWatch(ctx context.Context, t watchTarget) (*stream, error) {
	if t.lacks.Load() {
		return c.openEvents(ctx, t.action, t.events, watchBacklog)
	}
	s, err := c.openStream(ctx, t.action, t.socket, nil, watchBacklog)
	if asError(err).StatusCode != http.StatusNotFound {
		return s, err
	}
	// Either the server is old or the thing does not exist. The older
	// endpoint, which all servers have, tells.
	s, fallback := c.openEvents(ctx, t.action, t.events, watchBacklog)
	if fallback == nil && IsUnsupported(err) {
		t.lacks.Store(true)
	}
	return s, fallback
}

// watch yields what the server sends as data.
func watch[T any](ctx context.Context, c *Client, t watchTarget) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		s, err := c.openWatch(ctx, t)
		if err != nil {
			yield(zero, err)
			return
		}
		defer s.close()
		for {
			m, err := s.take(ctx, 0)
			if isEnd(err) {
				return
			}
			if err != nil {
				yield(zero, withAction(ctx, t.action, err))
				return
			}
			value, ok, err := decodeEvent[T](m)
			if err != nil {
				yield(zero, fmt.Errorf("%s: %w", t.action, err))
				return
			}
			if ok && !yield(value, nil) {
				return
			}
		}
	}
}

// decodeEvent reads one event of either kind. Pings and kinds that this
// client does not know are no value.
func decodeEvent[T any](m message) (value T, ok bool, err error) {
	kind, data := m.kind, json.RawMessage(m.data)
	if kind == "" {
		var envelope struct {
			Type string          `json:"type"`
			Data json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(m.data, &envelope); err != nil {
			return value, false, fmt.Errorf("an event can't be read: %w", err)
		}
		kind, data = envelope.Type, envelope.Data
	}
	switch kind {
	case "data":
		if err := json.Unmarshal(data, &value); err != nil {
			return value, false, fmt.Errorf("an event can't be read: %w", err)
		}
		return value, true, nil
	case "error":
		e := classifyBody(0, "", data)
		if e.Detail == "" {
			return value, false, fmt.Errorf("the server reports: %s", sentence(e.Message))
		}
		return value, false, fmt.Errorf("the server reports: %s: %s", sentence(e.Message), sentence(e.Detail))
	}
	return value, false, nil
}
