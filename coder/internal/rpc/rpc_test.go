package rpc

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is a session and what answers it.
func pair(t *testing.T, h Handler) *Session {
	a, b := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- Serve(context.Background(), b, h, nil) }()
	s, err := Client(a)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = s.Close()
		require.NoError(t, <-served)
	})
	return s
}

func TestCallsFollowEachOtherOnOneStream(t *testing.T) {
	s := pair(t, func(method string, st *Stream) error {
		if method != "/x" {
			return errors.New("there is no such method")
		}
		if err := st.Recv(&tailnetpb.RefreshResumeTokenRequest{}); err != nil {
			return err
		}
		return st.Send(&tailnetpb.RefreshResumeTokenResponse{Token: "t", RefreshIn: durationpb.New(time.Hour)})
	})
	for range 3 {
		var out tailnetpb.RefreshResumeTokenResponse
		require.NoError(t, s.Call(t.Context(), "/x", &tailnetpb.RefreshResumeTokenRequest{}, &out))
		require.Equal(t, "t", out.Token)
		require.Equal(t, 1, s.mux.NumStreams())
	}
	require.ErrorContains(t, s.Call(t.Context(), "/y", &tailnetpb.RefreshResumeTokenRequest{}, &tailnetpb.RefreshResumeTokenResponse{}), "/y: there is no such method")
	s.Rest()
	require.Eventually(t, func() bool { return s.mux.NumStreams() == 0 }, 5*time.Second, time.Millisecond)
	require.NoError(t, s.Call(t.Context(), "/x", &tailnetpb.RefreshResumeTokenRequest{}, &tailnetpb.RefreshResumeTokenResponse{}))
}

func TestStreamsGoBothWays(t *testing.T) {
	s := pair(t, func(_ string, st *Stream) error {
		for {
			var m tailnetpb.CoordinateRequest
			if err := st.Recv(&m); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if err := st.Send(&tailnetpb.CoordinateResponse{Error: string(m.AddTunnel.Id)}); err != nil {
				return err
			}
		}
	})
	st, err := s.Stream(t.Context(), "/coordinate")
	require.NoError(t, err)
	for _, id := range []string{"a", "b"} {
		require.NoError(t, st.Send(&tailnetpb.CoordinateRequest{AddTunnel: &tailnetpb.CoordinateRequest_Tunnel{Id: []byte(id)}}))
		var m tailnetpb.CoordinateResponse
		require.NoError(t, st.Recv(&m))
		require.Equal(t, id, m.Error)
	}
	require.NoError(t, st.CloseSend())
	require.ErrorIs(t, st.Recv(&tailnetpb.CoordinateResponse{}), io.EOF)
	require.NoError(t, st.Close())
}

func TestACallEndsWithItsContext(t *testing.T) {
	never := make(chan struct{})
	defer close(never)
	s := pair(t, func(_ string, st *Stream) error {
		select {
		case <-never:
		case <-st.Context().Done():
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	require.ErrorIs(t, s.Call(ctx, "/x", &tailnetpb.RefreshResumeTokenRequest{}, &tailnetpb.RefreshResumeTokenResponse{}), context.Canceled)
}

func TestTheEndOfTheConnectionEndsEverything(t *testing.T) {
	a, b := net.Pipe()
	s, err := Client(a)
	require.NoError(t, err)
	_ = b.Close()
	<-s.Done()
	require.Error(t, s.Call(t.Context(), "/x", &tailnetpb.RefreshResumeTokenRequest{}, &tailnetpb.RefreshResumeTokenResponse{}))
	_, err = s.Stream(t.Context(), "/x")
	require.Error(t, err)
}

func FuzzServe(f *testing.F) {
	f.Add([]byte{0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3, 'a', 'b', 'c'})
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = Serve(context.Background(), stub{b: &b}, func(_ string, st *Stream) error {
			return st.Recv(&tailnetpb.CoordinateRequest{})
		}, nil)
	})
}

// stub gives what it has and takes everything.
type stub struct{ b *[]byte }

func (s stub) Read(p []byte) (int, error) {
	if len(*s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, *s.b)
	*s.b = (*s.b)[n:]
	return n, nil
}
func (stub) Write(p []byte) (int, error) { return len(p), nil }
func (stub) Close() error                { return nil }
