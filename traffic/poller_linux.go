package traffic

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// poller lets a pacer's worker wait for its connections and for its next tick
// at once, and read what has come, without a goroutine for each connection.
type poller struct {
	epfd   int
	wakeup [2]int // a pipe that ends a wait
	events []syscall.EpollEvent
	batch  []*pollEntry
	coarse bool // this kernel, or its 32-bit interface, waits in whole milliseconds

	mu      sync.Mutex
	entries []*pollEntry // by token
	free    []int32
	closed  bool

	waking atomic.Bool // a byte is in the pipe
}

const (
	canPoll = true

	// wakeToken marks the pipe.
	wakeToken = -1

	// sysEpollPwait2 waits with nanoseconds, from Linux 5.11 on. The number is
	// the same on all architectures.
	sysEpollPwait2 = 441
)

func newPoller() (*poller, error) {
	epfd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a poller: %w", err)
	}
	p := &poller{epfd: epfd, events: make([]syscall.EpollEvent, 256), coarse: unsafe.Sizeof(syscall.Timespec{}) != 16}
	if err := syscall.Pipe2(p.wakeup[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC); err != nil {
		_ = syscall.Close(epfd)
		return nil, fmt.Errorf("make a poller: %w", err)
	}
	err = syscall.EpollCtl(epfd, syscall.EPOLL_CTL_ADD, p.wakeup[0], &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: wakeToken})
	if err != nil {
		p.close()
		return nil, fmt.Errorf("make a poller: %w", err)
	}
	return p, nil
}

// close frees the descriptors. Nobody may be waiting.
func (p *poller) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, fd := range []int{p.wakeup[0], p.wakeup[1], p.epfd} {
		_ = syscall.Close(fd)
	}
}

// wake ends a wait, now or the next one.
func (p *poller) wake() {
	if !p.waking.CompareAndSwap(false, true) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		_, _ = syscall.Write(p.wakeup[1], []byte{0})
	}
}

// wait reads whatever comes within d, which may be [Never], and returns after
// the first that came. Only one goroutine waits.
func (p *poller) wait(d time.Duration) {
	n := p.epollWait(d)
	if n <= 0 {
		return
	}
	p.batch = p.batch[:0]
	p.mu.Lock()
	for _, e := range p.events[:n] {
		if e.Fd == wakeToken {
			var drain [8]byte
			_, _ = syscall.Read(p.wakeup[0], drain[:])
			p.waking.Store(false)
			continue
		}
		if entry := p.entries[e.Fd]; entry != nil {
			p.batch = append(p.batch, entry)
		}
	}
	p.mu.Unlock()
	for i, entry := range p.batch {
		p.batch[i] = nil
		if entry.fire() {
			p.forget(entry)
		}
	}
}

func (p *poller) epollWait(d time.Duration) int {
	if d == 0 {
		// Without telling the scheduler: it does not wait.
		n, _, _ := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(p.epfd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
		return int(n)
	}
	if !p.coarse && d != Never {
		ts := syscall.NsecToTimespec(int64(d))
		n, _, errno := syscall.Syscall6(sysEpollPwait2, uintptr(p.epfd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
		if errno != syscall.ENOSYS && errno != syscall.EPERM {
			return int(n)
		}
		p.coarse = true
	}
	ms := -1
	if d != Never {
		ms = int(min((d+time.Millisecond-1)/time.Millisecond, 1<<30))
	}
	n, _ := syscall.EpollWait(p.epfd, p.events, ms)
	return n
}

// watch begins to call ready whenever there is something to read.
func (p *poller) watch(e *pollEntry) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		e.token = p.free[n-1]
		p.free = p.free[:n-1]
		p.entries[e.token] = e
	} else {
		e.token = int32(len(p.entries))
		p.entries = append(p.entries, e)
	}
	if err := p.control(e, syscall.EPOLL_CTL_ADD); err != nil {
		p.release(e)
		return fmt.Errorf("watch a connection: %w", err)
	}
	return nil
}

// control changes what is waited for. p.mu is held.
func (p *poller) control(e *pollEntry, op int) error {
	if p.closed {
		return syscall.EBADF
	}
	var ctl error
	err := e.raw.Control(func(fd uintptr) {
		ctl = syscall.EpollCtl(p.epfd, op, int(fd), &syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP, Fd: e.token})
	})
	if err != nil {
		return err
	}
	return ctl
}

// forget ends the watching of an entry that has just died.
func (p *poller) forget(e *pollEntry) {
	p.mu.Lock()
	_ = p.control(e, syscall.EPOLL_CTL_DEL) // fails if it is closed, which does the same
	p.release(e)
	p.mu.Unlock()
	e.ended()
}

// release frees the token. p.mu is held.
func (p *poller) release(e *pollEntry) {
	p.entries[e.token] = nil
	p.free = append(p.free, e.token)
}
