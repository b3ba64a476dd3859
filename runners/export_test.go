package runners

import (
	"io"

	"golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"
)

// NewSSHStream is a channel as SSH users hand it to a pump.
func NewSSHStream(ch ssh.Channel) io.ReadWriter { return &sshSession{Channel: ch} }

// PaceLogins lets logins of this process go as fast as they come, until it is
// called with true.
func PaceLogins(on bool) {
	limit := rate.Inf
	if on {
		limit = pacedLogins
	}
	logins.SetLimit(limit)
}

var pacedLogins = logins.Limit()
