package codertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// event is what watches send.
type event struct {
	Type string `json:"type"`
	Data any    `json:"data"`
}

// watched gives the next value and a channel that is closed when there is
// another one.
type watched func() (any, <-chan struct{})

// watch sends a value now and whenever it changes, over a WebSocket.
func (c *call) watch(next watched, ping bool, every time.Duration) (int, any) {
	st := c.stream()
	if st == nil {
		return handled, nil
	}
	if ping {
		st.send(event{Type: "ping"})
	}
	tick, stop := ticker(every)
	defer stop()
	for {
		v, changed := next()
		st.send(event{"data", v})
		select {
		case <-changed:
		case <-tick:
		case <-st.ctx.Done():
			return handled, nil
		}
	}
}

// watchSSE is watch with server-sent events.
func (c *call) watchSSE(next watched, ping bool, every time.Duration) (int, any) {
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("Connection", "keep-alive")
	h.Set("X-Accel-Buffering", "no")
	c.w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(c.w)
	send := func(format string, args ...any) bool {
		_, err := fmt.Fprintf(c.w, format, args...)
		return err == nil && flush.Flush() == nil
	}
	pings := time.NewTicker(c.s.cfg.PingInterval)
	defer pings.Stop()
	tick, stop := ticker(every)
	defer stop()
	if ping && !send("event: ping\n\n") {
		return handled, nil
	}
	for {
		v, changed := next()
		data, err := json.Marshal(v)
		if err != nil || !send("event: data\ndata: %s\n\n\n", data) {
			return handled, nil
		}
	wait:
		select {
		case <-changed:
		case <-tick:
		case <-pings.C:
			if !send("event: ping\n\n") {
				return handled, nil
			}
			goto wait
		case <-c.r.Context().Done():
			return handled, nil
		case <-c.s.ctx.Done():
			return handled, nil
		}
	}
}

// ticker is one that may never tick.
func ticker(every time.Duration) (<-chan time.Time, func()) {
	if every == 0 {
		return nil, func() {}
	}
	t := time.NewTicker(every)
	return t.C, t.Stop
}

// watchWorkspace finds the workspace and hands over to a watch.
func watchWorkspace(run func(*call, watched) (int, any)) handler {
	return func(c *call) (int, any) {
		var w *workspace
		status, body := withWorkspace(func(_ *call, found *workspace) (int, any) {
			w = found
			return http.StatusOK, nil
		})(c)
		if w == nil {
			return status, body
		}
		return run(c, func() (any, <-chan struct{}) {
			changed := w.changed.wait()
			c.s.state.mu.RLock()
			defer c.s.state.mu.RUnlock()
			return c.s.workspaceView(w, c.user), changed
		})
	}
}

type agentMetadataJSON struct {
	Result      metadataResultJSON      `json:"result"`
	Description metadataDescriptionJSON `json:"description"`
}

type metadataResultJSON struct {
	CollectedAt time.Time `json:"collected_at"`
	Age         int       `json:"age"`
	Value       string    `json:"value"`
	Error       string    `json:"error"`
}

type metadataDescriptionJSON struct {
	DisplayName string `json:"display_name"`
	Key         string `json:"key"`
	Script      string `json:"script"`
	Interval    int    `json:"interval"`
	Timeout     int    `json:"timeout"`
}

// watchMetadata finds the agent and hands over to a watch.
func watchMetadata(run func(*call, watched) (int, any)) handler {
	return func(c *call) (int, any) {
		var found *agent
		status, body := withAgent(func(_ *call, a *agent) (int, any) {
			found = a
			return http.StatusOK, nil
		})(c)
		if found == nil {
			return status, body
		}
		return run(c, func() (any, <-chan struct{}) {
			t := now()
			c.s.state.mu.RLock()
			if found.live != nil {
				defer c.s.state.mu.RUnlock()
				v, changed := c.s.liveMetadata(found, t)
				return v, changed
			}
			collected, lives := found.collected(t)
			declared := found.declared()[0]
			c.s.state.mu.RUnlock()
			var changed chan struct{}
			if lives {
				changed = make(chan struct{})
				time.AfterFunc(collected.Add(metadataInterval).Sub(t), func() { close(changed) })
			}
			return []agentMetadataJSON{{
				metadataResultJSON{collected, int(t.Sub(collected) / time.Second), c.s.metadataValue(collected.Format(time.RFC3339Nano)), ""},
				declared,
			}}, changed
		})
	}
}

// metadataInterval is how often an agent collects metadata.
const metadataInterval = 5 * time.Second

// collected is when the agent has last collected metadata: every few seconds
// since it was made, as long as it lives. It is also the value, so that the time
// that it takes to a client can be told.
func (a *agent) collected(t time.Time) (at time.Time, lives bool) {
	lives = !a.off && !a.killed && !a.frozen
	if !lives {
		t = a.updated
		if !a.dead.IsZero() {
			t = a.dead
		}
	}
	return a.created.Add(max(t.Sub(a.created), 0).Truncate(metadataInterval)), lives
}

// metadataValue is what a script has written, as the version keeps it.
func (s *Server) metadataValue(v string) string {
	if s.as.rawMetadata {
		return v + "\n"
	}
	return v
}

func (s *Server) watchRoutes() {
	s.private("GET /api/v2/workspaces/{workspace}/watch-ws", watchWorkspace(func(c *call, next watched) (int, any) {
		return c.watch(next, true, 0)
	}))
	s.private("GET /api/v2/workspaces/{workspace}/watch", watchWorkspace(func(c *call, next watched) (int, any) {
		return c.watchSSE(next, true, 0)
	}))
	const refresh = 5 * time.Second
	s.private("GET /api/v2/workspaceagents/{agent}/watch-metadata-ws", watchMetadata(func(c *call, next watched) (int, any) {
		return c.watch(next, false, refresh)
	}))
	s.private("GET /api/v2/workspaceagents/{agent}/watch-metadata", watchMetadata(func(c *call, next watched) (int, any) {
		return c.watchSSE(next, false, refresh)
	}))
}
