package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version prints what this program was built from.
func version(*flag.FlagSet) action {
	return func(_ context.Context, _ []string, stdio streams) error {
		built := "(unknown)"
		if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
			built = info.Main.Version
		}
		_, err := fmt.Fprintf(stdio.out, "scaletest %s %s %s/%s\n", built, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return err
	}
}
