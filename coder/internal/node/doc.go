// Package node is a member of a Coder tailnet: a WireGuard device whose packets go
// by DERP relays, with a TCP/IPv6 stack of its own behind it. One node reaches any
// number of peers. The coordination service tells it of them over a stream that
// somebody else opens, and opens again.
//
// Packets never go directly from machine to machine. That is the load of a client
// with --disable-direct-connections.
//
// # The way of a packet
//
// What a connection sends becomes packets in the stack, waits in the link
// endpoint, is encrypted by the device, and goes to the relay with everything else
// that is on its way there, in one write. What the relay sends is read by the
// device's receiver itself, a batch at a time, decrypted, and given to the stack.
// Every queue between is bounded. What finds a queue full waits, if the other
// side can be told to wait, or is dropped and counted.
package node
