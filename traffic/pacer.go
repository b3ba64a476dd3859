package traffic

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderscale/scaletest/traffic/histogram"
)

// Pacer wakes many connections from few goroutines. A ticker or a bucket for
// each connection costs 6 to 15 times more and falls behind by a third on a
// busy machine: what is dear is the wake-up, so a worker sleeps until the next
// millisecond in which anything is due, and then does all of it.
//
// Instants are durations since the pacer's [Pacer.Epoch].
type Pacer struct {
	epoch     time.Time
	workers   []*pacerWorker
	perWorker int
	next      atomic.Uint32
	closed    atomic.Bool
	done      chan struct{}
	wg        sync.WaitGroup
}

// PacerConfig configures a [Pacer]. Its zero value is good for thousands of
// connections.
type PacerConfig struct {
	// Workers is the number of goroutines that the connections are spread
	// over. 0 means GOMAXPROCS.
	Workers int

	// PerWorker is how many connections one worker takes before the next worker
	// gets any; when all have their share, it starts over. Few connections on
	// few workers need fewer wake-ups. 0 deals them out one by one; a [Pump]
	// takes what its load suggests.
	PerWorker int

	// Resolution is how long a worker may wait for more to come due before it
	// wakes, and so how late an event is at worst on an idle machine. A worker
	// that reads its connections itself does not wait when there is little to do.
	// 0 means 1 ms, in precise mode 100 µs.
	Resolution time.Duration

	// Precise sleeps on a locked thread, whose wake-ups are not rounded to the
	// millisecond, at about five times the CPU time. For those who need lateness
	// below a millisecond. It works on Linux; elsewhere it changes nothing.
	Precise bool
}

// Validate reports everything that is wrong with the configuration.
func (c PacerConfig) Validate() error {
	var errs []error
	if c.Workers < 0 {
		errs = append(errs, fmt.Errorf("pacer workers is %d, want 0 (one for each core) or more", c.Workers))
	}
	if c.PerWorker < 0 {
		errs = append(errs, fmt.Errorf("connections per pacer worker is %d, want 0 (the default) or more", c.PerWorker))
	}
	if c.Resolution < 0 || c.Resolution > time.Second {
		errs = append(errs, fmt.Errorf("pacer resolution is %v, want between 0 (the default) and 1s", c.Resolution))
	}
	return errors.Join(errs...)
}

// Paced is what a [Pacer] wakes.
type Paced interface {
	// Fire does everything that is due at now, records how late each event is
	// in lag, and returns the instant at which it is next due, or [Never]. It
	// must not block: everybody else waits.
	Fire(now time.Duration, lag *histogram.Histogram) (next time.Duration)
}

// Never is the instant that does not come. A [Paced] that returns it sleeps
// until [Entry.Wake].
const Never = forever

// NewPacer starts a pacer. [Pacer.Close] stops it.
func NewPacer(cfg PacerConfig) (*Pacer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Workers == 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	if cfg.Resolution == 0 {
		cfg.Resolution = time.Millisecond
		if cfg.Precise {
			cfg.Resolution = 100 * time.Microsecond
		}
	}
	p := &Pacer{epoch: time.Now(), perWorker: max(cfg.PerWorker, 1), done: make(chan struct{})}
	for range cfg.Workers {
		w := &pacerWorker{
			pacer:      p,
			resolution: cfg.Resolution,
			wheelTick:  min(wheelTick, cfg.Resolution),
			signal:     make(chan struct{}, 1),
		}
		p.workers = append(p.workers, w)
		p.wg.Go(func() { w.run(cfg.Precise) })
	}
	return p, nil
}

// Epoch is the instant from which the pacer counts.
func (p *Pacer) Epoch() time.Time { return p.epoch }

// Now is the present instant.
func (p *Pacer) Now() time.Duration { return time.Since(p.epoch) }

// Lag returns how late the events of all connections were fired: the
// generator's own lateness. It is a copy.
func (p *Pacer) Lag() *histogram.Histogram {
	var out histogram.Histogram
	for _, w := range p.workers {
		w.mu.Lock()
		out.Merge(&w.lag)
		w.mu.Unlock()
	}
	return &out
}

// Add fires e for the first time at first.
func (p *Pacer) Add(e Paced, first time.Duration) *Entry { return p.nextWorker().add(e, first) }

// nextWorker is the one whose turn it is.
func (p *Pacer) nextWorker() *pacerWorker {
	return p.workers[int(p.next.Add(1)-1)/p.perWorker%len(p.workers)]
}

// Close stops the pacer and waits for its workers. Nothing is fired any more.
func (p *Pacer) Close() {
	if p.closed.CompareAndSwap(false, true) {
		close(p.done)
		for _, w := range p.workers {
			w.wakeUp()
		}
	}
	p.wg.Wait()
}

// Entry is a connection's place in a [Pacer].
type Entry struct {
	paced  Paced
	worker *pacerWorker

	// Only the worker touches these.
	due     time.Duration
	next    *Entry // in the same slot of the wheel
	parked  bool   // in no slot
	removed bool
}

// Wake fires the entry soon if it sleeps, that is, if it returned [Never]. It
// may be called from anywhere, also from Fire.
func (e *Entry) Wake() { e.worker.post(order{kind: orderWake, entry: e}) }

// FireNow fires the entry soon, whether it sleeps or not.
func (e *Entry) FireNow() { e.worker.post(order{kind: orderFire, entry: e}) }

// Remove takes the entry out. When it returns, Fire is not running and will
// not be called again. It must not be called from Fire.
func (e *Entry) Remove() {
	ack := make(chan struct{})
	e.worker.post(order{kind: orderRemove, entry: e, ack: ack})
	select {
	case <-ack:
	case <-e.worker.pacer.done:
		e.worker.pacer.wg.Wait()
	}
}
