package agentfleet

import (
	"sync"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/internal/agentpb"
	"github.com/coderscale/scaletest/coder/internal/relay"
)

// relays is the way to the deployment's relays, which all serving agents share.
type relays struct {
	client *coder.Client

	mu     sync.Mutex
	dialer *relay.Dialer
}

// of takes the map of the first manifest.
func (r *relays) of(m *agentpb.Manifest) (*relay.Dialer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dialer != nil {
		return r.dialer, nil
	}
	d, err := relay.FromProto(r.client, m.GetDerpMap(), m.GetDerpForceWebsockets())
	if err != nil {
		return nil, err
	}
	r.dialer = d
	return d, nil
}
