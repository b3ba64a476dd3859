// Package install copies programs from one image to another, in an init container
// that has no shell and no cp.
package install

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Self copies the program that runs to a path. It is there as a whole or not at all.
func Self(to string) error {
	from, err := os.Executable()
	if err == nil {
		err = copyProgram(from, to)
	}
	if err != nil {
		return fmt.Errorf("install this program as %s: %w: want a folder that is there and that the user of the container may write to", to, err)
	}
	return nil
}

// Beside copies a program that is in the folder of the one that runs into another
// folder, in the same way.
func Beside(name, folder string) error {
	from, err := os.Executable()
	if err == nil {
		err = copyProgram(filepath.Join(filepath.Dir(from), name), filepath.Join(folder, name))
	}
	if err != nil {
		return fmt.Errorf("install %s in %s: %w: want it beside this program, and a folder that is there and that the user of the container may write to", name, folder, err)
	}
	return nil
}

func copyProgram(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(to), "."+filepath.Base(to)+"-*")
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
