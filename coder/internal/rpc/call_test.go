package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"storj.io/drpc/drpcwire"

	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

// echo answers with what it was asked.
func echo(_ string, st *Stream) error {
	var in tailnetpb.RefreshResumeTokenResponse
	if err := st.Recv(&in); err != nil {
		return err
	}
	return st.Send(&in)
}

func TestMessagesOfAnyLengthArriveWhole(t *testing.T) {
	s := pair(t, echo)
	for _, n := range []int{0, 1, 127, 128, chunk - 1, chunk, 100 << 10, 1 << 20} {
		in := &tailnetpb.RefreshResumeTokenResponse{Token: strings.Repeat("x", n)}
		var out tailnetpb.RefreshResumeTokenResponse
		require.NoError(t, s.Call(t.Context(), "/echo", in, &out))
		require.Len(t, out.Token, n)
	}
}

func TestASessionAtRestHasNoGoroutineForItsCalls(t *testing.T) {
	s := pair(t, func(m string, st *Stream) error {
		if m == "/held" {
			<-st.Context().Done()
			return nil
		}
		return echo(m, st)
	})
	var out tailnetpb.RefreshResumeTokenResponse
	require.NoError(t, s.Call(t.Context(), "/echo", &tailnetpb.RefreshResumeTokenResponse{Token: "a"}, &out))
	held, err := s.Hold("/held", &tailnetpb.StreamDERPMapsRequest{})
	require.NoError(t, err)
	require.NoError(t, held.Drain())
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	require.NotContains(t, string(stacks), "drpcconn")
	require.NotContains(t, string(stacks), "rpc.(*Session)")
}

func TestAHeldCallThatTheServerEndsIsNoticed(t *testing.T) {
	end := make(chan struct{})
	s := pair(t, func(_ string, st *Stream) error {
		for range 3 {
			if err := st.Send(&tailnetpb.RefreshResumeTokenResponse{Token: strings.Repeat("x", 10<<10)}); err != nil {
				return err
			}
		}
		<-end
		return errors.New("the end")
	})
	held, err := s.Hold("/held", nil)
	require.NoError(t, err)
	require.NoError(t, held.Drain())
	close(end)
	require.Eventually(t, func() bool { return errors.Is(held.Drain(), io.EOF) }, 5*time.Second, time.Millisecond)
}

func TestACallThatWasGivenUpDoesNotSpoilTheNext(t *testing.T) {
	asked := make(chan struct{})
	s := pair(t, func(m string, st *Stream) error {
		if m == "/slow" {
			close(asked)
			<-st.Context().Done()
			return st.Context().Err()
		}
		return echo(m, st)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	require.ErrorIs(t, s.Call(ctx, "/slow", &tailnetpb.RefreshResumeTokenRequest{}, &tailnetpb.RefreshResumeTokenResponse{}), context.Canceled)
	var out tailnetpb.RefreshResumeTokenResponse
	require.NoError(t, s.Call(t.Context(), "/echo", &tailnetpb.RefreshResumeTokenResponse{Token: "b"}, &out))
	require.Equal(t, "b", out.Token)
}

func TestARefusalKeepsTheStream(t *testing.T) {
	s := pair(t, func(string, *Stream) error { return errors.New("no") })
	for range 2 {
		err := s.Call(t.Context(), "/x", &tailnetpb.RefreshResumeTokenRequest{}, &tailnetpb.RefreshResumeTokenResponse{})
		refusal, ok := errors.AsType[*Refusal](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "no", refusal.Text)
		require.Equal(t, 1, s.mux.NumStreams())
	}
}

// writes counts calls of Write.
type writes struct {
	net.Conn
	sizes []int
}

func (w *writes) Write(b []byte) (int, error) {
	w.sizes = append(w.sizes, len(b))
	return len(b), nil
}

func TestAFrameGoesOutInOneWrite(t *testing.T) {
	w := &writes{}
	c := &coalesced{ReadWriteCloser: w}
	data := []byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 5}
	window := []byte{0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 5}
	empty := []byte{0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0}
	for _, b := range [][]byte{data, []byte("12345"), window, empty, data, []byte("12345")} {
		n, err := c.Write(b)
		require.NoError(t, err)
		require.Len(t, b, n)
	}
	require.Equal(t, []int{17, 12, 12, 17}, w.sizes)
}

// frames are an answer on the wire.
func frames(list ...drpcwire.Frame) []byte {
	var b []byte
	for _, fr := range list {
		b = drpcwire.AppendFrame(b, fr)
	}
	return b
}

func TestAnswersThatMakeNoSenseAreErrors(t *testing.T) {
	message := func(id uint64, done bool, data string) drpcwire.Frame {
		return drpcwire.Frame{ID: drpcwire.ID{Stream: id, Message: 1}, Kind: drpcwire.KindMessage, Done: done, Data: []byte(data)}
	}
	end := drpcwire.Frame{ID: drpcwire.ID{Stream: 2, Message: 2}, Kind: drpcwire.KindCloseSend, Done: true}
	for name, c := range map[string]struct {
		wire []byte
		want error
	}{
		"no message":           {frames(end), errNoAnswer},
		"half a message":       {frames(message(2, false, "\n"), end), errNoAnswer},
		"cut off":              {frames(message(2, true, "\n\x01a"))[:5], io.ErrUnexpectedEOF},
		"no end":               {frames(message(2, true, "\n\x01a")), io.ErrUnexpectedEOF},
		"more than the answer": {frames(message(2, true, "\n\x01a"), end, end), errTrailing},
		"in pieces":            {frames(message(1, true, "\n\x01z"), message(2, false, "\n"), message(2, true, "\x01a"), end), nil},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{bytes.NewReader(c.wire), iotest.OneByteReader(bytes.NewReader(c.wire))} {
				if _, whole := r.(*bytes.Reader); !whole && c.want == errTrailing {
					continue // it was not read yet
				}
				var out tailnetpb.RefreshResumeTokenResponse
				_, err := answer(r, make([]byte, 0, 8), 2, &out)
				require.ErrorIs(t, err, c.want)
				if c.want == nil {
					require.Equal(t, "a", out.Token)
				}
			}
		})
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte{5, 1, 1, 3, '\n', 1, 'a', 13, 1, 2, 0})
	f.Add([]byte{7, 1, 1, 9, 0, 0, 0, 0, 0, 0, 0, 1, 'x'})
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = answer(bytes.NewReader(b), nil, 1, &tailnetpb.RefreshResumeTokenResponse{})
	})
}

func FuzzSkipper(f *testing.F) {
	f.Add([]byte{5, 1, 1, 3, '\n', 1, 'a', 13, 1, 2, 0}, 3)
	f.Add([]byte{7, 1, 1, 9, 0, 0, 0, 0, 0, 0, 0, 1, 'x'}, 1)
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		var whole, parts skipper
		err := whole.take(b)
		at = min(max(at, 0), len(b))
		cut := parts.take(b[:at])
		if cut == nil {
			cut = parts.take(b[at:])
		}
		require.Equal(t, fmt.Sprint(err), fmt.Sprint(cut))
	})
}
