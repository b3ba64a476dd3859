package agentfleet

import (
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/coderscale/scaletest/coder/internal/agentpb"
)

// profile is what the agents of a template have in common.
type profile struct {
	groups []group
	short  bool // of metadata
}

// group is the metadata items with the same interval.
type group struct {
	every time.Duration
	keys  [][]byte // as fields of the message
}

// profiles keeps one of each.
type profiles struct {
	mu  sync.Mutex
	all map[string]*profile
}

// of finds the profile of a manifest.
func (p *profiles) of(m *agentpb.Manifest, cfg Metadata) *profile {
	var id strings.Builder
	for _, d := range m.GetMetadata() {
		id.WriteString(d.GetKey() + "\x00" + declared(d.GetInterval()).String() + "\x00")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if found := p.all[id.String()]; found != nil {
		return found
	}
	made := newProfile(m.GetMetadata(), cfg)
	if p.all == nil {
		p.all = map[string]*profile{}
	}
	p.all[id.String()] = made
	return made
}

func newProfile(items []*agentpb.WorkspaceAgentMetadata_Description, cfg Metadata) *profile {
	p := &profile{short: !cfg.Off && len(items) < cfg.Items}
	if cfg.Off {
		return p
	}
	if cfg.Items > 0 && len(items) > cfg.Items {
		items = items[:cfg.Items]
	}
	for _, d := range items {
		every := cfg.Interval
		if every == 0 {
			every = max(declared(d.GetInterval()), time.Second) // agents look once a second
		}
		i := slices.IndexFunc(p.groups, func(g group) bool { return g.every == every })
		if i < 0 {
			i = len(p.groups)
			p.groups = append(p.groups, group{every: every})
		}
		key := protowire.AppendTag(nil, 1, protowire.BytesType)
		p.groups[i].keys = append(p.groups[i].keys, protowire.AppendString(key, d.GetKey()))
	}
	return p
}

// declared reads a duration of the manifest: its nanoseconds are seconds. If a
// server ever says what it means, that is taken as well.
func declared(d *durationpb.Duration) time.Duration {
	v := d.AsDuration()
	if v > 0 && v < time.Millisecond {
		return v * time.Second
	}
	return max(v, 0)
}
