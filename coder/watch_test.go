package coder_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
)

func TestWatchingFallsBackToEventsOnOldServersAndRemembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sockets atomic.Int32
		mux := http.NewServeMux()
		mux.HandleFunc("GET /api/v2/workspaces/{id}/watch-ws", func(w http.ResponseWriter, _ *http.Request) {
			sockets.Add(1)
			reply(w, 404, `{"message":"Route not found."}`)
		})
		mux.HandleFunc("GET /api/v2/workspaces/{id}/watch", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprint(w, "event: ping\n\nevent: data\ndata: {\"name\":\"a\"}\n\n: comment\nevent: data\r\ndata: {\"name\":\r\ndata: \"b\"}\r\n\r\nevent: data\ndata: {\"na")
		})
		c := pipeClient(t, coder.Config{MaxRetries: -1}, mux)
		for range 2 {
			var names []string
			var last error
			for w, err := range c.WatchWorkspace(t.Context(), uuid.New()) {
				if last = err; err == nil {
					names = append(names, w.Name)
				}
			}
			assert.Equal(t, []string{"a", "b"}, names)
			require.ErrorContains(t, last, "closed before the answer was complete")
		}
		assert.Equal(t, int32(1), sockets.Load())
	})
}

func TestWatchingSomethingThatDoesNotExistIsNotFoundAndTellsNothingAboutTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sockets atomic.Int32
		c := pipeClient(t, coder.Config{}, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Header.Get("Upgrade") != "" {
				sockets.Add(1)
			}
			reply(w, 404, `{"message":"Resource not found or you do not have access to this resource"}`)
		}))
		for range 2 {
			for _, err := range c.WatchAgentMetadata(t.Context(), uuid.New()) {
				require.True(t, coder.IsNotFound(err), "%v", err)
			}
		}
		assert.Equal(t, int32(2), sockets.Load())
	})
}

func TestASilentWatchIsLostAndSaysSo(t *testing.T) {
	for name, h := range map[string]http.Handler{
		"socket": socket(t, func(_ *http.Request, conn *websocket.Conn) {
			write(conn, `{"type":"ping","data":null}`)
			time.Sleep(time.Hour)
		}),
		"events": http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Header.Get("Upgrade") != "" {
				reply(w, 404, `{"message":"Route not found."}`)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprint(w, "event: ping\n\n")
			w.(http.Flusher).Flush()
			<-req.Context().Done()
		}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := pipeClient(t, coder.Config{}, h)
				start := time.Now()
				var last error
				for _, err := range c.WatchWorkspace(t.Context(), uuid.New()) {
					last = err
				}
				require.Error(t, last)
				var lost *coder.TransportError
				require.ErrorAs(t, last, &lost)
				assert.InDelta(t, 75, time.Since(start).Seconds(), 1)
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

func TestAnErrorEventEndsAWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(t, coder.Config{}, socket(t, func(_ *http.Request, conn *websocket.Conn) {
			write(conn, `{"type":"surprise","data":1}`)
			write(conn, `{"type":"error","data":{"message":"Internal error fetching workspace.","detail":"sql"}}`)
			time.Sleep(time.Minute)
		}))
		var last error
		for _, err := range c.WatchWorkspace(t.Context(), uuid.New()) {
			last = err
		}
		require.ErrorContains(t, last, "the server reports: Internal error fetching workspace: sql")
		time.Sleep(time.Hour)
	})
}

func TestAnUpgradeWaitsForRateLimitsAsOtherCallsDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		ok := socket(t, func(_ *http.Request, conn *websocket.Conn) { bye(conn, 1000, "") })
		c := pipeClient(t, coder.Config{}, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if asked.Add(1) == 1 {
				w.Header().Set("Retry-After", "60")
				reply(w, 429, `{"message":"Slow down."}`)
				return
			}
			ok(w, req)
		}))
		start := time.Now()
		for _, err := range c.Stream(t.Context(), "/api/v2/notifications/inbox/watch?format=plaintext") {
			require.NoError(t, err)
		}
		assert.Equal(t, time.Minute, time.Since(start))
		assert.Equal(t, int64(1), c.RateLimited().Count)
	})
}
