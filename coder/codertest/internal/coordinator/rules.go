package coordinator

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

// Rules are what a peer may do.
type Rules struct {
	// Agent may say that it is ready, opens no tunnels, and has only the
	// addresses that follow from its ID. Others are clients.
	Agent bool
	// Strict also looks at allowed_ips, as servers do since 2.37.
	Strict bool
	// Tunnel says why a client may not open a tunnel. Nil means that it may.
	Tunnel func(to uuid.UUID) error
	// Opened is told of a tunnel that has been opened, if it is not nil.
	Opened func(to uuid.UUID)
}

func (r Rules) checkTunnel(to uuid.UUID) error {
	switch {
	case r.Agent:
		return errors.New("agents may not")
	case r.Tunnel != nil:
		return r.Tunnel(to)
	}
	return nil
}

// checkNode checks the addresses that a peer claims.
func (r Rules) checkNode(id uuid.UUID, n *tailnetpb.Node) error {
	if n == nil {
		return errors.New("there is none")
	}
	if err := r.checkAddresses(id, n.Addresses); err != nil {
		return fmt.Errorf("address: %w", err)
	}
	if !r.Strict {
		return nil
	}
	if err := r.checkAddresses(id, n.AllowedIps); err != nil {
		return fmt.Errorf("allowed IP: %w", err)
	}
	return nil
}

const hostBits = 128

func (r Rules) checkAddresses(id uuid.UUID, all []string) error {
	for _, a := range all {
		p, err := netip.ParsePrefix(a)
		if err != nil {
			return err
		}
		if p.Bits() != hostBits {
			return fmt.Errorf("%s has %d bits, want %d", a, p.Bits(), hostBits)
		}
		if r.Agent && !owns(id, p.Addr()) {
			return fmt.Errorf("%s is not that of agent %s", a, id)
		}
	}
	return nil
}

// prefixes are those of addresses that follow from an ID, Tailscale's and
// Coder's.
var prefixes = [][6]byte{
	{0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0},
	{0xfd, 0x60, 0x62, 0x7a, 0xa4, 0x2b},
}

// owns reports whether an address follows from an ID.
func owns(id uuid.UUID, a netip.Addr) bool {
	for _, p := range prefixes {
		want := id
		copy(want[:], p[:])
		if a == netip.AddrFrom16(want) {
			return true
		}
	}
	return false
}
