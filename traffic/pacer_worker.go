package traffic

import (
	"math/bits"
	"sync"
	"time"

	"github.com/coderscale/scaletest/traffic/histogram"
)

const (
	wheelSlots = 1024
	wheelMask  = wheelSlots - 1
)

// pacerWorker fires its share of the entries from a timing wheel: a slot for
// each tick of the resolution, and entries due in a later round stay in their
// slot until it comes.
type pacerWorker struct {
	pacer      *Pacer
	resolution time.Duration
	signal     chan struct{} // something is in the inbox

	inboxMu sync.Mutex
	inbox   []order
	spare   []order // the inbox of last time, to use its memory again

	mu    sync.Mutex // held while firing; for those who read lag
	lag   histogram.Histogram
	slots [wheelSlots]*Entry
	used  [wheelSlots / 64]uint64 // one bit a slot
	tick  int64                   // the last one that was done
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
	select {
	case w.signal <- struct{}{}:
	default: // it will look anyway
	}
}

func (w *pacerWorker) run(precise bool) {
	sleep := newSleeper(precise)
	defer sleep.stop()
	for {
		w.mu.Lock()
		w.takeOrders()
		w.advance(w.pacer.Now())
		until := w.nextTick()
		w.mu.Unlock()
		if !sleep.until(w.pacer, until, w.signal) {
			w.takeOrders() // so that nobody waits for an answer
			return
		}
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
	tick := max(int64((e.due+w.resolution-1)/w.resolution), w.tick+1)
	slot := tick & wheelMask
	e.next = w.slots[slot]
	w.slots[slot] = e
	w.used[slot>>6] |= 1 << (slot & 63)
}

// advance fires everything that is due by now.
func (w *pacerWorker) advance(now time.Duration) {
	target := int64(now / w.resolution)
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

func (w *pacerWorker) fire(e *Entry) {
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
			return time.Duration(w.tick+1+ahead) * w.resolution
		}
	}
	return Never
}
