// Package traffic says when to send and what to send, and sends it: shapes,
// token buckets, payloads, one pacer for many connections, and a pump that
// drives any [io.ReadWriter] and measures what comes back. It knows neither
// load tests nor any protocol.
//
// # When
//
// A [Shape] gives the k-th event one intended instant. Everything is computed
// from that instant, never from the time of the event before it, so lateness
// does not add up and a busy machine does not lower the rate.
//
// A Bucket has the contract of golang.org/x/time/rate, a rate, a burst and
// a wait, and the same arithmetic: time that a waiter overslept is not lost.
//
// # What
//
// A Payload is a cycle of lines, made once from a seed. A line begins with
// its number, fits the 4096 bytes that a terminal in canonical mode takes, and
// holds nothing that a shell would run.
//
// # Sending
//
// A [Pacer] wakes once for all the connections that are due. A Pump puts
// the three together: it sends each tick of a [Load], matches the echo by its
// place in the stream, compares the content, and records the round trip from
// the instant at which the tick was meant to be sent. What it was meant to
// send is always accounted for:
//
//	intended = sent + dropped + pending
package traffic
