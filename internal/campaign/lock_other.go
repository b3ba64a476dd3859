//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package campaign

import (
	"os"
	"os/exec"
)

// tryLock always succeeds where files have no advisory locks.
func tryLock(*os.File) (bool, error) { return true, nil }

func apart(*exec.Cmd) {}
