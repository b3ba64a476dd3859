package scaletest

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// parent is the process that started this one, usually go test. It is looked
// up early, because an orphan has another one.
var parent = os.Getppid()

// listen turns interrupts into a graceful stop, then into an abort, then into
// an exit. It also stops when the process above, usually go test, is gone: a
// load that nobody watches should not go on. The returned function ends it.
func listen(run *harness.Run, c *console) (release func()) {
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		watch := time.NewTicker(time.Second)
		defer watch.Stop()
		heard := 0
		for {
			select {
			case <-signals:
				heard++
				switch heard {
				case 1:
					c.say("interrupted: no new iterations; ending gracefully, then cleaning up (again: skip to the results)")
					run.Stop()
				case 2:
					c.say("interrupted again: skipping to the results (again: exit)")
					run.Abort()
				default:
					os.Exit(130)
				}
			case <-watch.C:
				if heard == 0 && os.Getppid() != parent {
					heard++
					c.say("the process that started this one is gone: ending")
					run.Stop()
				}
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
		<-gone
	}
}
