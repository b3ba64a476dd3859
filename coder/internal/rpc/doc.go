// Package rpc is how the tailnet's and the agents' services are spoken to: DRPC
// calls with protobuf messages, on the streams of a yamux session, over the
// binary messages of a WebSocket. Both sides are here.
package rpc
