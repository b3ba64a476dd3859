package codertest

import (
	"net"
	"strconv"

	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

// The names of these are those of Tailscale's own structures.

type derpMapJSON struct{ Regions map[string]derpRegionJSON }

type derpRegionJSON struct {
	EmbeddedRelay bool
	RegionID      int
	RegionCode    string
	RegionName    string
	Nodes         []derpNodeJSON
}

type derpNodeJSON struct {
	Name      string
	RegionID  int
	HostName  string
	STUNPort  int
	DERPPort  int
	ForceHTTP bool
}

// connection is how clients reach agents.
func (s *Server) connection() any {
	return object{"derp_map": s.derpMap(), "derp_force_websockets": false, "disable_direct_connections": true, "hostname_suffix": "coder"}
}

// embeddedRegion is the relay of the deployment itself.
const embeddedRegion = 999

// derpMap is where the relays are.
func (s *Server) derpMap() derpMapJSON {
	out := derpMapJSON{map[string]derpRegionJSON{}}
	add := func(id int, code, name, node, addr string) {
		host, port, _ := net.SplitHostPort(addr) // it is that of a listener, and so is the number
		n, _ := strconv.Atoi(port)
		out.Regions[itoa(id)] = derpRegionJSON{
			EmbeddedRelay: id == embeddedRegion, RegionID: id, RegionCode: code, RegionName: name,
			Nodes: []derpNodeJSON{{Name: node, RegionID: id, HostName: host, STUNPort: -1, DERPPort: n, ForceHTTP: true}},
		}
	}
	add(embeddedRegion, "coder", "Coder Embedded Relay", "999b", s.url[len("http://"):])
	for _, r := range s.relays {
		add(r.id, "codertest-"+itoa(r.id), "Relay "+itoa(r.id), itoa(r.id)+"a", r.listener.Addr().String())
	}
	return out
}

// derpMapMessage is the same for those who speak protobuf.
func (s *Server) derpMapMessage() *tailnetpb.DERPMap {
	out := &tailnetpb.DERPMap{Regions: map[int64]*tailnetpb.DERPMap_Region{}}
	for _, r := range s.derpMap().Regions {
		region := &tailnetpb.DERPMap_Region{
			RegionId: int64(r.RegionID), EmbeddedRelay: r.EmbeddedRelay, RegionCode: r.RegionCode, RegionName: r.RegionName,
		}
		for _, n := range r.Nodes {
			region.Nodes = append(region.Nodes, &tailnetpb.DERPMap_Region_Node{
				Name: n.Name, RegionId: int64(n.RegionID), HostName: n.HostName,
				StunPort: int32(n.STUNPort), DerpPort: int32(n.DERPPort), ForceHttp: n.ForceHTTP,
			})
		}
		out.Regions[region.RegionId] = region
	}
	return out
}
