//go:build !unix

package wsconn

import "errors"

var errNotSupported = errors.New("not supported on this system")

// nonblocking says that a descriptor can be tried without waiting.
const nonblocking = false

func readFD(uintptr, []byte) (int, error) { return 0, errNotSupported }

func writeFD(uintptr, []byte) (int, error) { return 0, errNotSupported }
