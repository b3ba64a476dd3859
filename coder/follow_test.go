package coder_test

import (
	"context"
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

func line(id int) string {
	return fmt.Sprintf(`{"id":%d,"stage":"Setting up","output":"line %d"}`, id, id)
}

func buildRoutes(status func() string, logs http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /api/v2/workspacebuilds/{id}/logs", logs)
	mux.HandleFunc("GET /api/v2/workspacebuilds/{id}", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, `{"status":"`+status()+`","job":{"status":"`+status()+`"}}`)
	})
	return mux
}

func TestALogOfABuildCanceledWhilePendingEndsAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		status := func() string {
			if time.Since(start) < time.Minute {
				return "pending"
			}
			return "canceled"
		}
		silent := socket(t, func(_ *http.Request, conn *websocket.Conn) {
			for range 100 { // pings only, never a close
				time.Sleep(15 * time.Second)
				if conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)) != nil {
					return
				}
			}
			t.Error("the client stayed")
		})
		c := pipeClient(t, coder.Config{}, buildRoutes(status, silent))
		for l, err := range c.FollowBuildLogs(t.Context(), uuid.New(), 0) {
			t.Errorf("unexpected %v, %v", l, err)
		}
		assert.InDelta(t, 70, time.Since(start).Seconds(), 6)
		time.Sleep(time.Minute) // the server notices
	})
}

func TestALogGoesOnBehindTheLastLineAfterALostConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened atomic.Int32
		logs := socket(t, func(req *http.Request, conn *websocket.Conn) {
			switch opened.Add(1) {
			case 1: // lost without a word
				write(conn, line(1)+"\n"+line(2))
			case 2: // the server's own trouble
				assert.Equal(t, "2", req.URL.Query().Get("after"))
				write(conn, line(2)) // a repeat
				write(conn, line(4))
				bye(conn, websocket.CloseInternalServerErr, "pubsub")
			default:
				assert.Equal(t, "4", req.URL.Query().Get("after"))
				write(conn, line(5))
				bye(conn, websocket.CloseNormalClosure, "done")
			}
		})
		c := pipeClient(t, coder.Config{}, buildRoutes(func() string { return "running" }, logs))
		var ids []int64
		for l, err := range c.FollowBuildLogs(t.Context(), uuid.New(), 0) {
			require.NoError(t, err)
			ids = append(ids, l.ID)
		}
		assert.Equal(t, []int64{1, 2, 4, 5}, ids)
	})
}

func TestALogThatIsAlwaysLostEndsWithTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened atomic.Int32
		logs := socket(t, func(_ *http.Request, conn *websocket.Conn) {
			opened.Add(1)
			bye(conn, websocket.CloseInternalServerErr, "database "+testToken)
		})
		c := pipeClient(t, coder.Config{}, buildRoutes(func() string { return "running" }, logs))
		var last error
		for _, err := range c.FollowBuildLogs(t.Context(), uuid.New(), 0) {
			last = err
		}
		require.ErrorContains(t, last, "closed the stream with code 1011 (database [redacted])")
		assert.Equal(t, int32(6), opened.Load())
	})
}

func TestALogEndsWithItsContextAndWhenTheConsumerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logs := socket(t, func(req *http.Request, conn *websocket.Conn) {
			write(conn, line(1))
			write(conn, line(2))
			time.Sleep(time.Hour)
		})
		c := pipeClient(t, coder.Config{}, buildRoutes(func() string { return "running" }, logs))
		for l, err := range c.FollowBuildLogs(t.Context(), uuid.New(), 0) {
			require.NoError(t, err)
			assert.Equal(t, int64(1), l.ID)
			break
		}
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		var last error
		for _, err := range c.FollowBuildLogs(ctx, uuid.New(), 0) {
			last = err
		}
		require.ErrorIs(t, last, context.DeadlineExceeded)
		require.ErrorContains(t, last, "follow the log of build ")
		time.Sleep(2 * time.Hour)
	})
}

func TestASlowConsumerDoesNotStopPongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pongs atomic.Int32
		watch := func(w http.ResponseWriter, req *http.Request) {
			conn, err := (&websocket.Upgrader{}).Upgrade(w, req, nil)
			if err != nil {
				t.Error(err)
				return
			}
			conn.SetPongHandler(func(string) error { pongs.Add(1); return nil })
			go func() {
				for i := range 200 {
					write(conn, fmt.Sprintf(`{"type":"data","data":{"name":"w%d"}}`, i))
				}
				for range 4 {
					_ = conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second))
					time.Sleep(15 * time.Second)
				}
				bye(conn, websocket.CloseNormalClosure, "")
			}()
			for {
				if _, _, err := conn.NextReader(); err != nil {
					_ = conn.Close()
					return
				}
			}
		}
		c := pipeClient(t, coder.Config{}, http.HandlerFunc(watch))
		var names []string
		for w, err := range c.WatchWorkspace(t.Context(), uuid.New()) {
			require.NoError(t, err)
			if names = append(names, w.Name); len(names) == 1 {
				time.Sleep(2 * time.Minute) // a slow consumer
			}
		}
		assert.Equal(t, int32(4), pongs.Load())
		assert.Equal(t, "w199", names[len(names)-1], "the newest state is never dropped")
		assert.Less(t, len(names), 100, "older states are")
	})
}
