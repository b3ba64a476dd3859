package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// install copies this program to path. It is there as a whole or not at all.
func install(path string) error {
	from, err := os.Executable()
	if err == nil {
		err = copyProgram(from, path)
	}
	if err != nil {
		return fmt.Errorf("install this program as %s: %w: want a folder that is there and that the user of the container may write to", path, err)
	}
	return nil
}

func copyProgram(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(to), ".scaletest-apps-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(out.Name()) // the error is said already
		}
	}()
	_, err = io.Copy(out, in)
	// Everybody may run it: the workspace's user need not be the one who installs.
	if err = errors.Join(err, out.Chmod(0o755), out.Close()); err != nil {
		return err
	}
	return os.Rename(out.Name(), to)
}
