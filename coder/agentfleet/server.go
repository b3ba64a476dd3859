package agentfleet

import (
	"context"

	"github.com/coderscale/scaletest/coder/internal/agentpb"
)

type server struct{}

func (s *server) close()                 {}
func (s *server) report() *agentpb.Stats { return nil }

func (a *agent) serve(ctx context.Context, m *agentpb.Manifest) error { return nil }
