package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const nic = 1

// netstack is a TCP/IPv6 stack with one network card.
type netstack struct{ *stack.Stack }

func newNetstack(c card, addrs []netip.Addr) (*netstack, error) {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	fail := func(err tcpip.Error) (*netstack, error) {
		s.Close()
		return nil, errors.New(err.String())
	}
	sack, moderate := tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(true)
	recovery, congestion := tcpip.TCPRecovery(0), tcpip.CongestionControlOption("cubic")
	in := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4 << 10, Default: 256 << 10, Max: 4 << 20}
	out := tcpip.TCPSendBufferSizeRangeOption{Min: 4 << 10, Default: 256 << 10, Max: 4 << 20}
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &moderate, &recovery, &congestion, &in, &out} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return fail(err)
		}
	}
	if err := s.CreateNIC(nic, c); err != nil {
		return fail(err)
	}
	for _, a := range addrs {
		pa := tcpip.ProtocolAddress{Protocol: ipv6.ProtocolNumber, AddressWithPrefix: tcpip.AddrFrom16(a.As16()).WithPrefix()}
		if err := s.AddProtocolAddress(nic, pa, stack.AddressProperties{}); err != nil {
			return fail(err)
		}
	}
	s.AddRoute(tcpip.Route{Destination: header.IPv6EmptySubnet, NIC: nic})
	return &netstack{s}, nil
}

func (s *netstack) close() {
	s.Stack.Close()
	s.Stack.Wait()
}

// dial connects. The endpoint is there to be aborted.
func (s *netstack) dial(ctx context.Context, to netip.AddrPort) (*gonet.TCPConn, tcpip.Endpoint, error) {
	var wq waiter.Queue
	ep, terr := s.NewEndpoint(tcp.ProtocolNumber, ipv6.ProtocolNumber, &wq)
	if terr != nil {
		return nil, nil, errors.New(terr.String())
	}
	entry, notify := waiter.NewChannelEntry(waiter.WritableEvents)
	wq.EventRegister(&entry)
	defer wq.EventUnregister(&entry)
	terr = ep.Connect(tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFrom16(to.Addr().As16()), Port: to.Port()})
	if _, started := terr.(*tcpip.ErrConnectStarted); started {
		select {
		case <-notify:
		case <-ctx.Done():
			ep.Abort()
			return nil, nil, context.Cause(ctx)
		}
		terr = ep.LastError()
	}
	if terr != nil {
		ep.Abort()
		return nil, nil, netError(terr)
	}
	return gonet.NewTCPConn(&wq, ep), ep, nil
}

// netError is the system's error for one of the stack's.
func netError(err tcpip.Error) error {
	switch err.(type) {
	case *tcpip.ErrConnectionRefused:
		return errRefused
	case *tcpip.ErrTimeout:
		return fmt.Errorf("no answer: %w", context.DeadlineExceeded)
	}
	return errors.New(err.String())
}

func (s *netstack) listen(port uint16) (net.Listener, error) {
	l, err := gonet.ListenTCP(s.Stack, tcpip.FullAddress{NIC: nic, Port: port}, ipv6.ProtocolNumber)
	if err != nil {
		return nil, fmt.Errorf("listen on port %d: %w", port, err)
	}
	return l, nil
}
