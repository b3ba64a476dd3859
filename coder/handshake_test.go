package coder_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
)

func TestAHandshakeThatNobodyAnswersEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer there.Close()
		heard := make(chan struct{})
		go func() { // it listens and says nothing
			defer close(heard)
			buf := make([]byte, 1024)
			for {
				if _, err := there.Read(buf); err != nil {
					return
				}
			}
		}()
		leaving := errors.New("we are leaving")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(leaving) })
		d := &websocket.Dialer{
			NetDialContext:   func(context.Context, string, string) (net.Conn, error) { return here, nil },
			HandshakeTimeout: time.Minute,
		}
		begun := time.Now()
		_, _, err := coder.Handshake(ctx, d, "ws://there/", nil)
		require.ErrorIs(t, err, leaving)
		require.Equal(t, time.Second, time.Since(begun))
		<-heard // the connection is closed
	})
}
