// Command rehearse runs the manifests of deploy/kubernetes without a cluster: it builds
// two of them, takes their containers' commands, arguments and environments, and starts
// those as processes, as a kubelet would, against an embedded deployment. An API server
// with one Job tells the observers when the load is over. In the first run shards meet
// at the collector, and leave users behind, which the cleanup has to find. In the second
// one they begin at an instant, and one is killed, which has to be seen. In the third one
// they do another test on the volume of the second.
//
//	rehearse ROOT
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: rehearse ROOT, the folder of the repository")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute) // a rehearsal that hangs is a failure
	err := rehearse(ctx, os.Args[1])
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rehearse:", err)
		os.Exit(1)
	}
}

func rehearse(ctx context.Context, root string) (err error) {
	began := time.Now()
	dir, err := os.MkdirTemp("", "rehearse-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\n(the logs are in %s)", err, dir)
			return
		}
		_ = os.RemoveAll(dir)
	}()
	image := filepath.Join(dir, "image")
	build := exec.CommandContext(ctx, "make", "-s", "image-binaries", "OUT="+image)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs of the image: %w\n%s", err, out)
	}
	fmt.Printf("built       the programs of the image, in %.0f s\n", time.Since(began).Seconds())
	for _, r := range []struct {
		name string
		run  func(context.Context, *rehearsal) error
	}{{"collector", withCollector}, {"volume", onVolume}} {
		began := time.Now()
		re, err := prepare(ctx, root, filepath.Join(dir, r.name), image, r.name)
		if err == nil {
			err = r.run(ctx, re)
			re.close()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		fmt.Printf("%-12sas it has to be, in %.0f s\n", r.name, time.Since(began).Seconds())
	}
	return nil
}
