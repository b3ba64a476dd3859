package scaletest

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// parent is the process that started this one, usually go test. It is looked
// up early, because an orphan has another one.
var parent = os.Getppid()

// interrupts turns signals into a graceful stop, then into an abort, then into
// an exit. It also stops a run when the process above is gone: a load that
// nobody watches should not go on.
type interrupts struct {
	signals chan os.Signal
	first   chan struct{} // closed by the first one, or when the process above is gone
	done    chan struct{}
	running sync.WaitGroup
	once    sync.Once
}

// hear keeps signals until somebody obeys.
func hear() *interrupts {
	i := &interrupts{signals: make(chan os.Signal, 3), first: make(chan struct{}), done: make(chan struct{})}
	signal.Notify(i.signals, os.Interrupt, syscall.SIGTERM)
	return i
}

// release gives signals their usual effect again.
func (i *interrupts) release() {
	i.once.Do(func() {
		signal.Stop(i.signals)
		close(i.done)
		i.running.Wait()
	})
}

// stoppable is what interrupts end: a run, or a search.
type stoppable interface {
	Stop()
	Abort()
}

// obey acts on what is heard until it is released.
func (i *interrupts) obey(run stoppable, c *console) {
	i.running.Go(func() {
		watch := time.NewTicker(time.Second) // there is no event for a parent's end
		defer watch.Stop()
		heard := 0
		for {
			select {
			case <-i.signals:
				heard++
				switch heard {
				case 1:
					close(i.first)
					c.say("interrupted: ending gracefully, then cleaning up (again: skip to the results)")
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
					close(i.first)
					c.say("the process that started this one is gone: ending")
					run.Stop()
				}
			case <-i.done:
				return
			}
		}
	})
}
