package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"

	"github.com/coderscale/scaletest/internal/install"
)

// installing copies this program, and those beside it that are named, to a folder: an
// init container takes them from its own image to that of a workspace.
func installing(*flag.FlagSet) action {
	return func(_ context.Context, args []string, stdio streams) error {
		if len(args) == 0 {
			return usageError{errors.New("want the folder to install to, and then the names of programs beside this one, such as scaletest.test")}
		}
		folder := args[0]
		if err := install.Self(filepath.Join(folder, "scaletest")); err != nil {
			return err
		}
		for _, name := range args[1:] {
			if name != filepath.Base(name) {
				return usageError{fmt.Errorf("%q is a path, want the name of a program beside this one", name)}
			}
			if err := install.Beside(name, folder); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintf(stdio.out, "installed %d programs in %s\n", len(args), folder)
		return err
	}
}
