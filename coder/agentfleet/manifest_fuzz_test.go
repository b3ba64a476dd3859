package agentfleet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/coderscale/scaletest/coder/internal/agentpb"
	"github.com/coderscale/scaletest/coder/internal/agentserve"
	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

// FuzzManifest has agents make of a manifest what they make of it. Whatever a
// server says, they call no more than once a second for an item.
func FuzzManifest(f *testing.F) {
	seed, err := proto.Marshal(&agentpb.Manifest{
		AgentId:  make([]byte, 16),
		DerpMap:  &tailnetpb.DERPMap{Regions: map[int64]*tailnetpb.DERPMap_Region{999: {EmbeddedRelay: true}}},
		Apps:     []*agentpb.WorkspaceApp{{Id: make([]byte, 16), Slug: "wsec", Url: "http://localhost:8081"}},
		Metadata: []*agentpb.WorkspaceAgentMetadata_Description{{Key: "m00", Interval: durationpb.New(time.Nanosecond)}, {Key: "m01", Interval: durationpb.New(-time.Hour)}},
	})
	require.NoError(f, err)
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		var m agentpb.Manifest
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		var known profiles
		for _, g := range known.of(&m, Metadata{}).groups {
			require.GreaterOrEqual(t, g.every, time.Second)
			require.NotEmpty(t, appendMetadata(nil, g.keys, 16, time.Unix(0, 0)))
		}
		for _, app := range m.GetApps() {
			_ = agentserve.PortOf(app.GetUrl())
		}
	})
}
