package coder

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// idlePerHost is how many idle connections the control plane keeps. Go's
// default of 2 makes a busy client open and close one for nearly every call.
const idlePerHost = 1024

// handshakeTimeout bounds an upgrade, which has no body to wait for.
const handshakeTimeout = 45 * time.Second

// socketTransport is the transport for sockets and isolated clients: HTTP/1.1
// only, because one HTTP/2 connection would put everybody on one TCP stream
// and one replica, and unlimited, because each socket keeps its connection.
func socketTransport(cfg Config) *http.Transport {
	var t *http.Transport
	given, ok := givenTransport(cfg.HTTPClient)
	if ok {
		t = given.Clone()
	} else {
		t = ownTransport(cfg)
	}
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.ForceAttemptHTTP2 = false
	t.TLSNextProto = nil
	if t.TLSClientConfig != nil {
		t.TLSClientConfig = t.TLSClientConfig.Clone()
		t.TLSClientConfig.NextProtos = nil
	}
	t.MaxConnsPerHost = 0
	return t
}

// givenTransport returns the transport of the caller's HTTP client, when it
// is one that can be copied.
func givenTransport(hc *http.Client) (*http.Transport, bool) {
	if hc == nil {
		return nil, false
	}
	if hc.Transport == nil {
		t, ok := http.DefaultTransport.(*http.Transport)
		return t, ok
	}
	t, ok := hc.Transport.(*http.Transport)
	return t, ok
}

func ownTransport(cfg Config) *http.Transport {
	t := &http.Transport{
		Proxy:                 cfg.Proxy,
		DialContext:           cfg.DialContext,
		TLSHandshakeTimeout:   15 * time.Second,
		ExpectContinueTimeout: time.Second,
		MaxIdleConnsPerHost:   idlePerHost,
		IdleConnTimeout:       90 * time.Second,
	}
	if t.Proxy == nil {
		t.Proxy = http.ProxyFromEnvironment
	}
	if t.DialContext == nil {
		t.DialContext = (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	if cfg.TLS != nil {
		t.TLSClientConfig = cfg.TLS.Clone()
	}
	return t
}

// controlClient is the HTTP client of the control plane.
func controlClient(cfg Config, own *http.Transport) *http.Client {
	hc := &http.Client{Transport: own}
	if cfg.HTTPClient != nil {
		hc.Transport = cfg.HTTPClient.Transport
		hc.Timeout = cfg.HTTPClient.Timeout
		if hc.Transport == nil {
			hc.Transport = http.DefaultTransport
		}
	}
	hc.CheckRedirect = stayHere
	return hc
}

// stayHere follows no redirect. Go forwards our token header to any host, and
// the API itself never redirects.
func stayHere(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Dialer returns a WebSocket dialer with the client's proxy, TLS settings and
// way of connecting. It offers neither compression nor a subprotocol. Put the
// token on the request with [Client.AuthHeader], dial with [Handshake], and turn a
// refused upgrade into an error with [Client.ResponseError].
func (c *Client) Dialer() *websocket.Dialer {
	t := c.transport
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.TLSClientConfig != nil {
		config = t.TLSClientConfig.Clone()
	}
	config.NextProtos = []string{"http/1.1"}
	return &websocket.Dialer{
		NetDialContext:    t.DialContext,
		NetDialTLSContext: t.DialTLSContext,
		Proxy:             t.Proxy,
		TLSClientConfig:   config,
		HandshakeTimeout:  handshakeTimeout,
	}
}
