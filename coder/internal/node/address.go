package node

import (
	"net/netip"

	"github.com/google/uuid"
)

// Prefixes of the addresses that nodes have. Agents own their ID below both,
// clients an address below the first.
var (
	tailscalePrefix = netip.MustParsePrefix("fd7a:115c:a1e0::/48")
	coderPrefix     = netip.MustParsePrefix("fd60:627a:a42b::/48")
)

// addressOf is an ID with the first six bytes of a prefix.
func addressOf(prefix netip.Prefix, id uuid.UUID) netip.Addr {
	p := prefix.Addr().As16()
	b := [16]byte(id)
	copy(b[:6], p[:6])
	return netip.AddrFrom16(b)
}

// AgentAddress is where an agent listens inside the tailnet.
func AgentAddress(agent uuid.UUID) netip.Addr { return addressOf(tailscalePrefix, agent) }

// addresses are those of a node itself.
func addresses(id uuid.UUID, agent bool) []netip.Addr {
	out := []netip.Addr{addressOf(tailscalePrefix, id)}
	if agent {
		out = append(out, addressOf(coderPrefix, id))
	}
	return out
}

// maxAllowed is how many addresses of a peer are routed.
const maxAllowed = 8

// allowed are the single addresses of the tailnet among what a peer says is its.
func allowed(cidrs []string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range cidrs {
		p, err := netip.ParsePrefix(s)
		if err != nil || !p.IsSingleIP() || len(out) == maxAllowed {
			continue
		}
		if tailscalePrefix.Contains(p.Addr()) || coderPrefix.Contains(p.Addr()) {
			out = append(out, p)
		}
	}
	return out
}
