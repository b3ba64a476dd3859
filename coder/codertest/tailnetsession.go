package codertest

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/coderscale/scaletest/coder/codertest/internal/coordinator"
	"github.com/coderscale/scaletest/coder/internal/rpc"
	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

// tailnetHub is the tailnet that all replicas share.
type tailnetHub struct {
	*coordinator.Coordinator
	secret  [32]byte // of resume tokens
	mu      sync.Mutex
	clients map[*socketConn]struct{}
}

func (h *tailnetHub) init() {
	h.Coordinator = coordinator.New()
	h.clients = map[*socketConn]struct{}{}
	_, _ = rand.Read(h.secret[:]) // never fails
}

// tailnetPeer is who speaks on a connection. Abort ends that.
type tailnetPeer struct {
	id    uuid.UUID
	rules coordinator.Rules
	abort func()
}

// serveTailnet serves a client until its connection ends.
func (s *Server) serveTailnet(sock *socketConn, p tailnetPeer) {
	h := &s.tailnet
	h.mu.Lock()
	h.clients[sock] = struct{}{}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.clients, sock)
	}()
	// The end of a client is no news.
	_ = rpc.Serve(s.ctx, sock, func(method string, st *rpc.Stream) error { return s.tailnetCall(method, st, p) }, nil)
}

// DropCoordination resets the connections on which clients have joined the
// tailnet. What they have connected meanwhile goes on. It returns how many these
// were.
func (s *Server) DropCoordination() int {
	h := &s.tailnet
	h.mu.Lock()
	defer h.mu.Unlock()
	for sock := range h.clients {
		sock.reset()
	}
	return len(h.clients)
}

const tailnetService = "/coder.tailnet.v2.Tailnet/"

// tailnetCall answers a call of the tailnet's service.
func (s *Server) tailnetCall(method string, st *rpc.Stream, p tailnetPeer) error {
	switch method {
	case tailnetService + "Coordinate":
		return s.tailnet.Serve(st, p.id, p.rules, p.abort)
	case tailnetService + "StreamDERPMaps":
		if err := st.Recv(&tailnetpb.StreamDERPMapsRequest{}); err != nil {
			return err
		}
		if err := st.Send(s.derpMapMessage()); err != nil {
			return err
		}
		<-st.Context().Done() // it does not change
		return context.Cause(st.Context())
	case tailnetService + "RefreshResumeToken":
		return reply(st, func(*tailnetpb.RefreshResumeTokenRequest) (*tailnetpb.RefreshResumeTokenResponse, error) {
			expires := now().Add(resumeTime)
			return &tailnetpb.RefreshResumeTokenResponse{
				Token:     s.tailnet.resumeToken(p.id, expires),
				RefreshIn: durationpb.New(resumeTime / 2), ExpiresAt: timestamppb.New(expires),
			}, nil
		})
	case tailnetService + "PostTelemetry": // nobody reads it
		return reply(st, func(*emptypb.Empty) (*emptypb.Empty, error) { return &emptypb.Empty{}, nil })
	}
	return fmt.Errorf("unknown rpc: %q", method)
}

// resumeTime is how long a client may come back as the same peer.
const resumeTime = 24 * time.Hour

// messageOf is a pointer to a protobuf message.
type messageOf[T any] interface {
	*T
	rpc.Message
}

// reply answers a call that has one request and one response.
func reply[T any, In messageOf[T], Out rpc.Message](st *rpc.Stream, f func(In) (Out, error)) error {
	in := In(new(T))
	if err := st.Recv(in); err != nil {
		return err
	}
	out, err := f(in)
	if err != nil {
		return err
	}
	return st.Send(out)
}
