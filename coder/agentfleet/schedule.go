package agentfleet

import (
	"container/heap"
	"sync"
	"time"
)

// scheduler calls agents when something of theirs is due. One goroutine waits for
// the next; whatever takes time is done by crews. An agent is never called twice
// at the same time.
type scheduler struct {
	calls, dials *crew

	mu      sync.Mutex
	waiting waiting
	closed  bool
	poke    chan struct{}
	ended   chan struct{}
}

// slot is what the scheduler knows of an agent.
type slot struct {
	at      time.Time
	index   int  // in the heap, or -1
	running bool // or handed to a crew
	again   bool // it was woken meanwhile
}

func newScheduler(handshakes int) *scheduler {
	s := &scheduler{poke: make(chan struct{}, 1), ended: make(chan struct{})}
	s.calls = newCrew(0, s.step)
	s.dials = newCrew(handshakes, s.step)
	go s.run()
	return s
}

// add begins to call an agent, at a time.
func (s *scheduler) add(a *agent, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.slot.index = -1
	s.push(a, at)
}

// push is called with the lock held.
func (s *scheduler) push(a *agent, at time.Time) {
	if s.closed {
		return
	}
	a.slot.at = at
	if a.slot.index >= 0 {
		heap.Fix(&s.waiting, a.slot.index)
	} else {
		heap.Push(&s.waiting, a)
	}
	if s.waiting[0] == a {
		s.prod()
	}
}

func (s *scheduler) prod() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// wake calls an agent now, or once more if it is being called.
func (s *scheduler) wake(a *agent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.slot.running {
		a.slot.again = true
		return
	}
	s.push(a, time.Now())
}

// step calls an agent and takes from it when it wants to be called next. Never is
// the zero time.
func (s *scheduler) step(a *agent) {
	next := a.step()
	s.mu.Lock()
	defer s.mu.Unlock()
	a.slot.running = false
	if a.slot.again {
		a.slot.again = false
		next = time.Now()
	}
	if !next.IsZero() {
		s.push(a, next)
	}
}

func (s *scheduler) run() {
	defer close(s.ended)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var due []*agent
	for {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return
		}
		due = due[:0]
		now, pause := time.Now(), time.Hour
		for len(s.waiting) > 0 {
			a := s.waiting[0]
			if left := a.slot.at.Sub(now); left > 0 {
				pause = left
				break
			}
			heap.Pop(&s.waiting)
			a.slot.running = true
			due = append(due, a)
		}
		s.mu.Unlock()
		for _, a := range due {
			if a.session == nil {
				s.dials.do(a)
			} else {
				s.calls.do(a)
			}
		}
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-s.poke:
		}
	}
}

// close stops calling and waits for the calls that are under way.
func (s *scheduler) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.prod()
	<-s.ended
	s.dials.close()
	s.calls.close()
}

// waiting is a heap of agents by the time when they are due.
type waiting []*agent

func (w waiting) Len() int           { return len(w) }
func (w waiting) Less(i, j int) bool { return w[i].slot.at.Before(w[j].slot.at) }
func (w waiting) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].slot.index, w[j].slot.index = i, j
}

// Push implements heap.Interface.
func (w *waiting) Push(x any) {
	a := x.(*agent)
	a.slot.index = len(*w)
	*w = append(*w, a)
}

// Pop implements heap.Interface.
func (w *waiting) Pop() any {
	last := len(*w) - 1
	a := (*w)[last]
	(*w)[last] = nil
	*w = (*w)[:last]
	a.slot.index = -1
	return a
}

// crew is as many workers as there is to do, up to a limit. Some stay when there
// is nothing: their stacks have grown already.
type crew struct {
	limit int // 0 is none
	work  func(*agent)

	mu            sync.Mutex
	queue         []*agent
	running, idle int
	hand          chan *agent
	closed        bool
	wg            sync.WaitGroup
}

// keep is how many workers stay.
const keep = 16

func newCrew(limit int, work func(*agent)) *crew {
	return &crew{limit: limit, work: work, hand: make(chan *agent)}
}

func (c *crew) do(a *agent) {
	c.mu.Lock()
	switch {
	case c.idle > 0:
		c.idle--
		c.mu.Unlock()
		c.hand <- a
	case c.limit == 0 || c.running < c.limit:
		c.running++
		c.mu.Unlock()
		c.wg.Go(func() { c.worker(a) })
	default:
		c.queue = append(c.queue, a)
		c.mu.Unlock()
	}
}

func (c *crew) worker(a *agent) {
	for {
		c.work(a)
		c.mu.Lock()
		switch {
		case c.closed, len(c.queue) == 0 && c.idle >= keep:
			c.running--
			c.mu.Unlock()
			return
		case len(c.queue) > 0:
			a = c.queue[0]
			c.queue[0] = nil
			c.queue = c.queue[1:]
			c.mu.Unlock()
			continue
		}
		c.idle++
		c.mu.Unlock()
		var ok bool
		if a, ok = <-c.hand; !ok {
			return
		}
	}
}

// close waits for the workers. Nothing is given to them any more.
func (c *crew) close() {
	c.mu.Lock()
	c.closed = true
	close(c.hand)
	c.mu.Unlock()
	c.wg.Wait()
}
