package coder

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
)

// TransportError is a call that got no answer: the host could not be reached,
// or the connection broke. Unwrap gives the cause, so that errors.Is finds
// syscall.ECONNREFUSED and the like.
type TransportError struct {
	// Action is what was attempted.
	Action string
	// Host is the scheme, host and port of the deployment.
	Host string
	// Reason says in a few words what happened.
	Reason string
	// Err is the cause.
	Err error
}

// Error says what was attempted and why no answer came.
func (e *TransportError) Error() string {
	return e.Action + ": " + e.Host + ": " + e.Reason
}

// Unwrap returns the cause.
func (e *TransportError) Unwrap() error { return e.Err }

// transportError wraps what net/http or the dialer returned.
func (c *Client) transportError(action string, err error, secrets ...string) *TransportError {
	// The url.Error around the cause repeats method and URL.
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	secrets = append(secrets, c.reveal())
	return &TransportError{
		Action: action,
		Host:   c.base.Scheme + "://" + c.base.Host,
		Reason: scrub(netReason(err), secrets...),
		Err:    err,
	}
}

// at is the client as far as errors go whose host another one is: an app's, or
// a workspace proxy's.
func (c *Client) at(u *url.URL) *Client {
	there := *c
	there.base = &url.URL{Scheme: u.Scheme, Host: u.Host}
	return &there
}

// netReason explains a network failure.
func netReason(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "the name " + dns.Name + " does not resolve; look for a typing error in the URL"
		}
		return "the name " + dns.Name + " could not be resolved: " + dns.Err
	}
	switch {
	case isTLSFailure(err):
		return "the TLS certificate does not verify: " + tlsReason(err)
	case isPlainHTTP(err):
		return "the server does not speak TLS there; use http:// in the URL"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused; nothing listens there, or a firewall is in between"
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		return "timed out"
	case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
		return "the connection was reset"
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before the answer was complete"
	}
	return printable(err.Error(), maxSentence)
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

func isTLSFailure(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok
}

func tlsReason(err error) string {
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		err = e.Err
	}
	return printable(strings.TrimPrefix(err.Error(), "x509: "), maxSentence)
}

func isPlainHTTP(err error) bool {
	if e, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return string(e.RecordHeader[:]) == "HTTP/"
	}
	return strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// neverSent reports whether the connection could not even be made, so that
// the server can't have seen the request.
func neverSent(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	_, ok := errors.AsType[*net.DNSError](err)
	return ok
}

// lasting reports whether the failure is one that stays until somebody
// changes a setting.
func lasting(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound || isTLSFailure(err) || isPlainHTTP(err)
}
