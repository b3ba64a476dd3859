package runners_test

import (
	"encoding/base64"
	"fmt"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// floor is the least that sending these bytes can cost: raw descriptors, one
// thread that writes what is due each millisecond and reads what is there, no
// goroutine for each connection, no measuring, no comparing.
type floor struct {
	fds   []int
	epoll int
}

func dialFloor(tb testing.TB, address, path string, conns int) *floor {
	tb.Helper()
	f := &floor{}
	tcp, err := net.ResolveTCPAddr("tcp", address)
	require.NoError(tb, err)
	to := &syscall.SockaddrInet4{Port: tcp.Port}
	copy(to.Addr[:], tcp.IP.To4())
	f.epoll, err = syscall.EpollCreate1(0)
	require.NoError(tb, err)
	key := base64.StdEncoding.EncodeToString(make([]byte, 16))
	for range conns {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		require.NoError(tb, err)
		require.NoError(tb, syscall.Connect(fd, to))
		require.NoError(tb, syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1))
		_, err = syscall.Write(fd, fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\n\r\n", path, key))
		require.NoError(tb, err)
		var answer strings.Builder
		buf := make([]byte, 512)
		for !strings.Contains(answer.String(), "\r\n\r\n") {
			n, err := syscall.Read(fd, buf)
			require.NoError(tb, err)
			answer.Write(buf[:n])
		}
		require.NoError(tb, syscall.SetNonblock(fd, true))
		require.NoError(tb, syscall.EpollCtl(f.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}))
		f.fds = append(f.fds, fd)
	}
	return f
}

func (f *floor) close() {
	for _, fd := range f.fds {
		syscall.Close(fd)
	}
	syscall.Close(f.epoll)
}

// run sends a frame of the cycle on each connection, interval apart, for d. It
// returns messages sent, bytes received, and the CPU time of this process.
func (f *floor) run(tb testing.TB, frames [][]byte, interval, d time.Duration) (sent, received int64, cpu time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	buf := make([]byte, 32<<10)
	events := make([]syscall.EpollEvent, 256)
	next := make([]int, len(f.fds)) // ticks that each has sent
	n := len(f.fds)
	begin := cpuTime(tb)
	start := time.Now()
	for sentUpTo := 0; ; { // events are in order of time: connection after connection
		now := time.Since(start)
		if now >= d {
			break
		}
		due := int(float64(now) / float64(interval) * float64(n))
		for ; sentUpTo < due; sentUpTo++ {
			i := sentUpTo % n
			frame := frames[(i*7919+next[i])%len(frames)]
			if w, err := syscall.Write(f.fds[i], frame); err != nil || w != len(frame) {
				tb.Fatalf("the floor's write: %d of %d bytes, %v", w, len(frame), err)
			}
			next[i]++
			sent++
		}
		for { // a millisecond's worth of reading
			k, err := syscall.EpollWait(f.epoll, events, 1)
			if err == syscall.EINTR {
				continue
			}
			if err != nil {
				tb.Fatal(err)
			}
			for _, e := range events[:k] {
				if r, err := syscall.Read(int(e.Fd), buf); err == nil {
					received += int64(r)
				}
			}
			break
		}
	}
	return sent, received, cpuTime(tb) - begin
}
