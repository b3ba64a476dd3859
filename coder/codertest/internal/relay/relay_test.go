package relay

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coderscale/scaletest/coder/internal/derp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// caller is a client of a relay.
type caller struct {
	t    testing.TB
	conn net.Conn
	r    *derp.Reader
	key  derp.Key
	over chan error
}

// call connects to a relay by a pipe.
func call(t testing.TB, m *Mesh, private derp.Key) *caller {
	near, far := net.Pipe()
	c := &caller{t: t, conn: near, r: derp.NewReader(near, 1<<10), key: private.Public(), over: make(chan error, 1)}
	go func() { c.over <- m.Serve(far) }()
	require.NoError(t, derp.Greet(near, c.r, private, false))
	return c
}

func (c *caller) send(t derp.Type, parts ...[]byte) {
	c.t.Helper()
	_, err := c.conn.Write(derp.AppendFrame(nil, t, parts...))
	require.NoError(c.t, err)
}

func (c *caller) sees(t derp.Type, parts ...string) {
	c.t.Helper()
	got, body, err := c.r.Next()
	require.NoError(c.t, err)
	require.Equal(c.t, t, got)
	want := ""
	for _, p := range parts {
		want += p
	}
	require.Equal(c.t, want, string(body))
}

func (c *caller) hangUp() error {
	_ = c.conn.Close()
	return <-c.over
}

func text(k derp.Key) string { return string(k[:]) }

func TestAPacketReachesWhoHasTheKeyWithItsSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(derp.NewPrivateKey())
		a, b := call(t, m, derp.NewPrivateKey()), call(t, m, derp.NewPrivateKey())
		a.send(derp.Preferred, []byte{1})
		a.send(derp.Type(0x77), []byte("what came later"))
		a.send(derp.SendPacket, []byte("short of a key"))
		a.send(derp.SendPacket, b.key[:], []byte("one"))
		a.send(derp.SendPacket, b.key[:], nil)
		b.sees(derp.RecvPacket, text(a.key), "one")
		b.sees(derp.RecvPacket, text(a.key))
		b.send(derp.SendPacket, a.key[:], bytes.Repeat([]byte{7}, derp.MaxPacket))
		_, body, err := a.r.Next()
		require.NoError(t, err)
		require.Len(t, body, len(a.key)+derp.MaxPacket)
		require.Equal(t, Stats{Clients: 2, Packets: 3, Bytes: 3 + derp.MaxPacket}, m.Stats())
		require.Error(t, a.hangUp())
		require.Error(t, b.hangUp())
		require.Zero(t, m.Stats().Clients)
	})
}

func TestWhoIsNotThereIsSaidToBeGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(derp.NewPrivateKey())
		a, nobody := call(t, m, derp.NewPrivateKey()), derp.NewPrivateKey().Public()
		a.send(derp.SendPacket, nobody[:], []byte("x"))
		a.sees(derp.PeerGone, text(nobody), "\x01")
		require.Zero(t, m.Stats().Packets)
		require.Error(t, a.hangUp())
	})
}

func TestBothSidesOfATalkHearThatTheOtherHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(derp.NewPrivateKey())
		private := derp.NewPrivateKey()
		sender, quiet, stranger := call(t, m, derp.NewPrivateKey()), call(t, m, private), call(t, m, derp.NewPrivateKey())
		sender.send(derp.SendPacket, quiet.key[:], []byte("x"))
		quiet.sees(derp.RecvPacket, text(sender.key), "x")
		require.Error(t, quiet.hangUp())
		sender.sees(derp.PeerGone, text(quiet.key), "\x00")
		sender.send(derp.SendPacket, quiet.key[:], []byte("x"))
		sender.sees(derp.PeerGone, text(quiet.key), "\x01")
		back := call(t, m, private)
		sender.send(derp.SendPacket, quiet.key[:], []byte("again"))
		back.sees(derp.RecvPacket, text(sender.key), "again")
		require.Error(t, sender.hangUp())
		back.sees(derp.PeerGone, text(sender.key), "\x00")
		stranger.send(derp.Ping, []byte("12345678"))
		stranger.sees(derp.Pong, "12345678") // and nothing before
		require.Error(t, back.hangUp())
		require.Error(t, stranger.hangUp())
	})
}

func TestASecondConnectionOfAKeyReceivesUntilItGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(derp.NewPrivateKey())
		private := derp.NewPrivateKey()
		a, first := call(t, m, derp.NewPrivateKey()), call(t, m, private)
		a.send(derp.SendPacket, first.key[:], []byte("1"))
		first.sees(derp.RecvPacket, text(a.key), "1")
		second := call(t, m, private)
		synctest.Wait()
		a.send(derp.SendPacket, first.key[:], []byte("2"))
		second.sees(derp.RecvPacket, text(a.key), "2")
		require.Error(t, second.hangUp())
		a.send(derp.SendPacket, first.key[:], []byte("3"))
		first.sees(derp.RecvPacket, text(a.key), "3") // and nobody was said to be gone
		a.send(derp.Ping, []byte("12345678"))
		a.sees(derp.Pong, "12345678")
		require.Error(t, a.hangUp())
		require.Error(t, first.hangUp())
	})
}

func TestAClientThatReadsNothingLosesPacketsAndHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(derp.NewPrivateKey())
		a, deaf, other := call(t, m, derp.NewPrivateKey()), call(t, m, derp.NewPrivateKey()), call(t, m, derp.NewPrivateKey())
		a.send(derp.SendPacket, deaf.key[:], []byte("0"))
		synctest.Wait() // its writer hangs in this one
		for range Queue + 5 {
			a.send(derp.SendPacket, deaf.key[:], []byte("x"))
		}
		a.send(derp.SendPacket, other.key[:], []byte("y"))
		other.sees(derp.RecvPacket, text(a.key), "y")
		require.Equal(t, int64(5), m.Stats().Dropped)
		require.Error(t, deaf.hangUp())
		a.sees(derp.PeerGone, text(deaf.key), "\x00")
		require.Error(t, a.hangUp())
		require.Error(t, other.hangUp())
	})
}

func TestWhatIsAskedByAClientThatReadsNothingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(derp.NewPrivateKey())
		a := call(t, m, derp.NewPrivateKey())
		for range 10 * Queue {
			a.send(derp.Ping, []byte("12345678"))
		}
		synctest.Wait()
		pongs := 0
		go func() { time.Sleep(time.Second); _ = a.conn.Close() }()
		for {
			if _, _, err := a.r.Next(); err != nil {
				break
			}
			pongs++
		}
		require.LessOrEqual(t, pongs, 2*Queue)
		require.NotZero(t, pongs)
		require.Error(t, <-a.over)
	})
}

func TestAnIdleClientIsKeptAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(derp.NewPrivateKey())
		a := call(t, m, derp.NewPrivateKey())
		began := time.Now()
		a.sees(derp.KeepAlive)
		a.sees(derp.KeepAlive)
		require.Equal(t, 2*KeepAlive, time.Since(began))
		require.Error(t, a.hangUp())
	})
}

func TestWhoNeverGreetsIsHungUpOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(derp.NewPrivateKey())
		near, far := net.Pipe()
		over := make(chan error, 1)
		go func() { over <- m.Serve(far) }()
		_, _, err := derp.NewReader(near, 64).Next()
		require.NoError(t, err)
		require.Error(t, <-over)
		require.Zero(t, m.Stats().Clients)
		_ = near.Close()
	})
}

func TestConnectionsCanBeTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(derp.NewPrivateKey())
		a := call(t, m, derp.NewPrivateKey())
		require.Len(t, m.Conns(), 1)
		_ = m.Conns()[0].Close()
		require.Error(t, <-a.over)
		_, _, err := a.r.Next()
		require.ErrorIs(t, err, io.EOF)
		_ = a.conn.Close()
	})
}

// hostile gives what it has, and takes what it is given.
type hostile struct{ io.Reader }

func (hostile) Write(b []byte) (int, error) { return len(b), nil }
func (hostile) Close() error                { return nil }

// greeted is the beginning of a client whose greeting is in order.
func greeted(t testing.TB, m *Mesh) []byte {
	near, far := net.Pipe()
	var said bytes.Buffer
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = m.Serve(far)
	}()
	require.NoError(t, derp.Greet(io.MultiWriter(near, &said), derp.NewReader(near, 256), derp.NewPrivateKey(), true))
	_ = near.Close()
	<-served
	return said.Bytes()
}

func FuzzServe(f *testing.F) {
	m := New(derp.NewPrivateKey())
	begin := greeted(f, m)
	f.Add([]byte{})
	f.Add(derp.AppendFrame(derp.AppendFrame(nil, derp.Ping, make([]byte, 8)), derp.SendPacket, make([]byte, 40)))
	f.Add(derp.AppendHeader(nil, derp.SendPacket, 1<<30))
	f.Add(derp.AppendFrame(nil, derp.Preferred, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		require.Error(t, m.Serve(hostile{bytes.NewReader(b)}))
		require.Error(t, m.Serve(hostile{io.MultiReader(bytes.NewReader(begin), bytes.NewReader(b))}))
		require.Zero(t, m.Stats().Clients)
	})
}

// BenchmarkRelay sends packets of the size of a full WireGuard packet through a
// relay on loopback TCP, with both ends in the process. The baseline is the same
// bytes through two pairs of sockets and a copy.
func BenchmarkRelay(b *testing.B) {
	const size = 1312
	b.Run("relay", func(b *testing.B) {
		m := New(derp.NewPrivateKey())
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(b, err)
		defer l.Close()
		dial := func() (net.Conn, *derp.Reader, derp.Key) {
			near, err := net.Dial("tcp", l.Addr().String())
			require.NoError(b, err)
			far, err := l.Accept()
			require.NoError(b, err)
			go func() { _ = m.Serve(far) }()
			private, r := derp.NewPrivateKey(), derp.NewReader(near, 64<<10)
			require.NoError(b, derp.Greet(near, r, private, true))
			return near, r, private.Public()
		}
		from, _, _ := dial()
		to, r, key := dial()
		defer from.Close()
		defer to.Close()
		frame := derp.AppendFrame(nil, derp.SendPacket, key[:], make([]byte, size))
		pump(b, size, frame, from, func() error { _, _, err := r.Next(); return err })
		b.ReportMetric(float64(m.Stats().Dropped), "dropped")
	})
	b.Run("copy", func(b *testing.B) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(b, err)
		defer l.Close()
		pair := func() (near, far net.Conn) {
			near, err := net.Dial("tcp", l.Addr().String())
			require.NoError(b, err)
			far, err = l.Accept()
			require.NoError(b, err)
			return near, far
		}
		from, in := pair()
		to, out := pair()
		defer from.Close()
		defer to.Close()
		go func() {
			_, _ = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, make([]byte, readBuffer))
		}()
		r, frame := derp.NewReader(to, 64<<10), derp.AppendFrame(nil, derp.RecvPacket, make([]byte, size))
		pump(b, size, frame, from, func() error { _, _, err := r.Next(); return err })
	})
}

// pump has at most so many packets on the way that none is dropped.
func pump(b *testing.B, size int, frame []byte, to io.Writer, next func() error) {
	const burst, window = 16, 16
	credit := make(chan struct{}, window)
	for range window {
		credit <- struct{}{}
	}
	bursts := (b.N + burst - 1) / burst
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	sent := make(chan error, 1)
	go func() {
		many := bytes.Repeat(frame, burst)
		for range bursts {
			<-credit
			if _, err := to.Write(many); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for i := range bursts * burst {
		if err := next(); err != nil {
			b.Fatal(errors.Join(err, <-sent))
		}
		if i%burst == burst-1 {
			credit <- struct{}{}
		}
	}
	require.NoError(b, <-sent)
}
