// Package wsconn is the hot path of a WebSocket client (RFC 6455): frames that
// are encoded before they are needed, written with one call and without
// blocking, and read in place into a borrowed buffer. Ten thousand connections
// cost a goroutine and a few hundred bytes each, and a message costs no
// allocation.
//
// It has no limits on messages, negotiates no extension, and gives data frames
// as a stream of bytes, which is what a terminal is. Control frames are
// answered behind the scenes, so a reader must be running.
//
// For sockets that carry few messages gorilla/websocket is the better choice.
package wsconn
