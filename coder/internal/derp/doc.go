// Package derp has the frames of DERP, the relay protocol that Coder's tailnets
// use, version 2: what a relay and its clients say to each other over a
// connection that was upgraded from HTTP. Both sides are here, so that the client
// and the embedded deployment agree on what a frame is and on nothing else.
//
// A frame is its type, the length of its body in four bytes, and the body. The
// relay begins with its public key. The client answers with its own and a sealed
// greeting, and the relay with a sealed greeting of its own. From then on the
// client sends packets to public keys, and receives those that others send to
// its. There is no authentication beyond the possession of the key.
package derp
