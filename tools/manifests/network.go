package manifests

import (
	"net/netip"
	"slices"
	"strings"

	networking "k8s.io/api/networking/v1"
)

// reach reports whether the policies let a pod reach a port of another one of the same
// namespace: it may leave the one, and enter the other.
func (c *checking) reach(from, to map[string]string, port int32) bool {
	return c.leaves(from, to, port, "") && c.enters(from, to, port, "")
}

// leaves reports whether a pod may connect to a port, of a pod with those labels (of the
// same namespace if that is "") or, if they are nil, of anybody outside of the cluster.
func (c *checking) leaves(from, to map[string]string, port int32, namespace string) bool {
	for _, n := range all[networking.NetworkPolicy](c.objs) {
		if !c.selects(&n.Spec.PodSelector, from) {
			continue
		}
		for _, rule := range n.Spec.Egress {
			if c.ports(rule.Ports, port) && c.peers(rule.To, to, namespace) {
				return true
			}
		}
	}
	return false
}

// enters reports whether a pod with the labels from, of the same namespace if that is
// "", may connect to a port of the other.
func (c *checking) enters(from, to map[string]string, port int32, namespace string) bool {
	for _, n := range all[networking.NetworkPolicy](c.objs) {
		if !c.selects(&n.Spec.PodSelector, to) {
			continue
		}
		for _, rule := range n.Spec.Ingress {
			if c.ports(rule.Ports, port) && c.peers(rule.From, from, namespace) {
				return true
			}
		}
	}
	return false
}

// ports reports whether one of the rule's is this one, by TCP.
func (c *checking) ports(ports []networking.NetworkPolicyPort, port int32) bool {
	if len(ports) == 0 {
		return true
	}
	for _, p := range ports {
		if (p.Protocol == nil || *p.Protocol == "TCP") && (p.Port == nil || p.Port.IntVal == port) {
			return true
		}
	}
	return false
}

// peers reports whether one of the rule's is a pod with those labels, or nil for one
// outside of the cluster.
func (c *checking) peers(peers []networking.NetworkPolicyPeer, set map[string]string, namespace string) bool {
	if len(peers) == 0 {
		return true
	}
	for _, p := range peers {
		switch {
		case p.IPBlock != nil:
			if set == nil && strings.HasSuffix(p.IPBlock.CIDR, "/0") {
				return true
			}
		case set == nil, namespace != "" && p.NamespaceSelector == nil:
		case p.PodSelector == nil || c.selects(p.PodSelector, set):
			return true
		}
	}
	return false
}

// metadata are the addresses at which clouds give credentials to whoever runs on a node.
var metadata = []string{"169.254.169.254", "169.254.170.23", "168.63.129.16", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"}

// clouds holds policies to not opening the port of metadata to where those are.
func (c *checking) clouds() {
	for id, n := range all[networking.NetworkPolicy](c.objs) {
		for _, rule := range n.Spec.Egress {
			if !c.ports(rule.Ports, 80) {
				continue
			}
			for _, address := range metadata {
				at := netip.MustParseAddr(address)
				if len(rule.To) == 0 || slices.ContainsFunc(rule.To, func(p networking.NetworkPolicyPeer) bool { return c.covers(id, p.IPBlock, at) }) {
					c.fault(id, "it lets pods ask %s, which is a cloud's metadata: want it in except", address)
				}
			}
		}
	}
}

// covers reports whether an address is in a block, and in none of its exceptions. A
// block that is none is a fault.
func (c *checking) covers(id string, block *networking.IPBlock, at netip.Addr) bool {
	if block == nil {
		return false
	}
	in := func(cidr string) bool {
		prefix, err := netip.ParsePrefix(cidr)
		if err != nil {
			c.fault(id, "%v", err)
		}
		return prefix.Contains(at)
	}
	return in(block.CIDR) && !slices.ContainsFunc(block.Except, in)
}
