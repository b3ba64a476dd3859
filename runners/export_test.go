package runners

import (
	"io"

	"golang.org/x/crypto/ssh"
)

// NewSSHStream is a channel as SSH users hand it to a pump.
func NewSSHStream(ch ssh.Channel) io.ReadWriter { return &sshSession{Channel: ch} }
