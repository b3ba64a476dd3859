package traffic

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderscale/scaletest/traffic/histogram"
)

const (
	// A slot of the wheel is this long; a resolution below it makes it shorter.
	wheelTick  = 100 * time.Microsecond
	wheelSlots = 8192
	wheelMask  = wheelSlots - 1

	// fewEvents is the number of events in a resolution below which waiting for
	// more to come due saves next to nothing: then each is fired when it is due,
	// as closely as the kernel wakes us.
	fewEvents = 4

	// rateSpan is how long events are counted before that is decided anew.
	rateSpan = 50 * time.Millisecond
)

// pacerWorker fires its share of the entries from a timing wheel: a slot for
// each tick of the resolution, and entries due in a later round stay in their
// slot until it comes.
type pacerWorker struct {
	pacer      *Pacer
	resolution time.Duration // of wake-ups
	wheelTick  time.Duration // of the wheel
	signal     chan struct{} // something is in the inbox

	poll   atomic.Pointer[poller] // made for the first connection that can be polled
	asleep atomic.Bool            // in the poller

	inboxMu sync.Mutex
	inbox   []order
	spare   []order // the inbox of last time, to use its memory again

	mu    sync.Mutex // held while firing; for those who read lag
	lag   histogram.Histogram
	slots [wheelSlots]*Entry
	used  [wheelSlots / 64]uint64 // one bit a slot
	tick  int64                   // the last one that was done
	fired uint                    // since the worker began

	// what busy goes by
	rateFrom  time.Duration
	rateFired uint
	gathers   bool
}

type orderKind uint8

const (
	orderAdd orderKind = iota
	orderWake
	orderFire
	orderRemove
)

// order is what others ask of a worker, since only it may touch its entries.
type order struct {
	kind  orderKind
	entry *Entry
	ack   chan struct{}
}

func (w *pacerWorker) post(o order) {
	w.inboxMu.Lock()
	w.inbox = append(w.inbox, o)
	w.inboxMu.Unlock()
	w.wakeUp()
}

// wakeUp ends the worker's sleep.
func (w *pacerWorker) wakeUp() {
	select {
	case w.signal <- struct{}{}:
	default: // it will look anyway
	}
	if p := w.poll.Load(); p != nil && w.asleep.Load() {
		p.wake()
	}
}

// add gives the worker an entry.
func (w *pacerWorker) add(e Paced, first time.Duration) *Entry {
	entry := &Entry{paced: e, worker: w, due: first}
	w.post(order{kind: orderAdd, entry: entry})
	return entry
}

// poller is what the worker waits in from now on, or nil where there is none.
func (w *pacerWorker) poller() *poller {
	if !canPoll || w.pacer.closed.Load() {
		return nil
	}
	w.inboxMu.Lock()
	p := w.poll.Load()
	if p == nil {
		var err error
		if p, err = newPoller(); err != nil { // no descriptors left: a goroutine will do
			w.inboxMu.Unlock()
			return nil
		}
		w.poll.Store(p)
	}
	w.inboxMu.Unlock()
	w.wakeUp()
	return p
}

func (w *pacerWorker) run(precise bool) {
	sleep := newSleeper(precise)
	defer func() {
		sleep.stop()
		w.takeOrders() // so that nobody waits for an answer
		if p := w.poll.Load(); p != nil {
			p.close()
		}
	}()
	for {
		w.mu.Lock()
		w.takeOrders()
		w.advance(w.pacer.Now())
		until := w.nextTick()
		w.mu.Unlock()
		if p := w.poll.Load(); p != nil {
			if w.busy() {
				until = w.gather(until)
			}
			if !w.pollUntil(p, until) {
				return
			}
		} else if !sleep.until(w.pacer, w.gather(until), w.signal) {
			return
		}
	}
}

// gather puts a wake-up off until the end of its resolution.
func (w *pacerWorker) gather(until time.Duration) time.Duration {
	if until > Never-w.resolution {
		return until
	}
	return (until + w.resolution - 1) / w.resolution * w.resolution
}

// busy reports whether so much comes due that it should be gathered.
func (w *pacerWorker) busy() bool {
	if now := w.pacer.Now(); now-w.rateFrom >= rateSpan {
		fired := w.fired - w.rateFired
		w.gathers = float64(fired)*float64(w.resolution) > fewEvents*float64(now-w.rateFrom)
		w.rateFrom, w.rateFired = now, w.fired
	}
	return w.gathers
}

// pollUntil reads connections until an instant or a signal. It returns false
// when the pacer is closed.
func (w *pacerWorker) pollUntil(p *poller, until time.Duration) bool {
	for {
		w.asleep.Store(true)
		select { // one case each: that is a load, two are a lottery with locks
		case <-w.pacer.done:
			return false
		default:
		}
		select {
		case <-w.signal:
			w.asleep.Store(false)
			return true
		default:
		}
		wait := until
		if until != Never {
			if wait = until - w.pacer.Now(); wait <= 0 {
				w.asleep.Store(false)
				p.wait(0) // also under full load somebody must read
				return true
			}
		}
		// A goroutine that stays on its thread over many system calls is taken for
		// one that hogs it, and preempted, which costs more than all of this.
		runtime.Gosched()
		p.wait(wait)
		w.asleep.Store(false)
	}
}

func (w *pacerWorker) takeOrders() {
	w.inboxMu.Lock()
	orders := w.inbox
	w.inbox = w.spare[:0]
	w.inboxMu.Unlock()
	for i := range orders {
		o := &orders[i]
		switch o.kind {
		case orderAdd:
			w.insert(o.entry)
		case orderRemove:
			o.entry.removed = true
			close(o.ack)
		case orderWake:
			if o.entry.parked && !o.entry.removed {
				o.entry.parked = false
				w.fire(o.entry)
			}
		case orderFire:
			if o.entry.removed {
				break
			}
			if o.entry.parked {
				o.entry.parked = false
				w.fire(o.entry)
				break
			}
			// It stays in its slot: whatever that firing finds undone, it does.
			o.entry.due = o.entry.paced.Fire(w.pacer.Now(), &w.lag)
		}
		*o = order{}
	}
	w.spare = orders
}

// insert puts an entry into the slot of the first tick that is not before it
// is due.
func (w *pacerWorker) insert(e *Entry) {
	if e.due == Never {
		e.parked = true
		return
	}
	tick := max(int64((e.due+w.wheelTick-1)/w.wheelTick), w.tick+1)
	slot := tick & wheelMask
	e.next = w.slots[slot]
	w.slots[slot] = e
	w.used[slot>>6] |= 1 << (slot & 63)
}

// advance fires everything that is due by now.
func (w *pacerWorker) advance(now time.Duration) {
	target := int64(now / w.wheelTick)
	for w.tick < target {
		// After a long sleep one round of the wheel visits every slot.
		w.tick = max(w.tick+1, target-wheelSlots+1)
		slot := w.tick & wheelMask
		if w.used[slot>>6]&(1<<(slot&63)) == 0 {
			continue
		}
		e := w.slots[slot]
		w.slots[slot] = nil
		w.used[slot>>6] &^= 1 << (slot & 63)
		for e != nil {
			next := e.next
			e.next = nil
			switch {
			case e.removed:
			case e.due > now: // of a later round
				w.insert(e)
			default:
				w.fire(e)
			}
			e = next
		}
	}
}

// pollEvery is after how many firings a busy worker reads: an echo must not
// look slow because we are writing.
const pollEvery = 8

func (w *pacerWorker) fire(e *Entry) {
	w.fired++
	if p := w.poll.Load(); p != nil && w.fired%pollEvery == 0 {
		p.wait(0)
	}
	e.due = e.paced.Fire(w.pacer.Now(), &w.lag)
	w.insert(e)
}

// nextTick is the instant of the next slot that holds anything, or [Never].
func (w *pacerWorker) nextTick() time.Duration {
	from := int(w.tick+1) & wheelMask
	for i := 0; i <= len(w.used); i++ {
		word := (from>>6 + i) % len(w.used)
		set := w.used[word]
		if i == 0 {
			set &= ^uint64(0) << (from & 63)
		} else if i == len(w.used) { // the first word's lower part, a round later
			set &= 1<<(from&63) - 1
		}
		if set != 0 {
			slot := word<<6 + bits.TrailingZeros64(set)
			ahead := int64((slot - from) & wheelMask)
			return time.Duration(w.tick+1+ahead) * w.wheelTick
		}
	}
	return Never
}
