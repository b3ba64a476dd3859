package traffic

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// session plays the far end of a terminal for the matcher: it keeps what each
// tick should come to, by a model that knows everything.
type session struct {
	t       *testing.T
	rng     *rand.Rand
	m       matcher
	p       *Payload
	sh      pumpShard
	first   int64 // chunk
	sent    int64 // chunks
	corrupt map[int64]bool
	missing map[int64]bool
}

func newSession(t *testing.T, seed uint64, bytesPerTick int, binary bool) *session {
	p, err := NewPayload(PayloadConfig{BytesPerTick: bytesPerTick, Seed: seed, CRLF: true, Binary: binary})
	require.NoError(t, err)
	s := &session{t: t, rng: rand.New(rand.NewPCG(seed, 1)), p: p, corrupt: map[int64]bool{}, missing: map[int64]bool{}}
	s.first = s.rng.Int64N(int64(p.Len()/p.perTick)) * int64(p.perTick)
	s.m.payload, s.m.base = p, p.chunkStart(s.first)
	return s
}

func (s *session) sentEcho() int64 { return s.p.chunkStart(s.first+s.sent) - s.m.base }

// tick sends one tick; hurt may change the echo of its k-th line, or lose it.
func (s *session) tick(hurt func(k int, echo []byte) []byte) []byte {
	first := s.first
	s.m.begin(0, 0)
	var out []byte
	for k := range s.p.perTick {
		start := s.p.chunkStart(first+s.sent) % int64(len(s.p.echo))
		s.sent++
		end := (s.p.chunkStart(first+s.sent)-1)%int64(len(s.p.echo)) + 1
		line := bytes.Clone(s.p.echo[start:end])
		if hurt != nil {
			line = hurt(k, line)
		}
		out = append(out, line...)
	}
	return out
}

// deliver hands data over in pieces of any size.
func (s *session) deliver(data []byte) {
	for len(data) > 0 {
		n := 1 + s.rng.IntN(min(len(data), 1+s.rng.IntN(10_000)))
		s.m.match(data[:n], s.sentEcho(), &s.sh)
		data = data[n:]
	}
}

func (s *session) ticks() int64 { return s.sent / int64(s.p.perTick) }

// finish sends a last good tick, so that everything before it is settled.
func (s *session) finish() {
	s.deliver(s.tick(nil))
	c := &s.sh.counts
	require.Equal(s.t, s.ticks(), c.echoed+c.lost+c.corrupt)
	require.Zero(s.t, s.m.outstanding())
	require.EqualValues(s.t, len(s.missing), c.lost)
	require.EqualValues(s.t, len(s.corrupt), c.corrupt)
	require.EqualValues(s.t, c.echoed, s.sh.response.Count())
}

func TestEchoIsMatchedHoweverItIsCutUp(t *testing.T) {
	for seed := range uint64(8) {
		for _, size := range []int{1, 5, 12, 100, 4096, 10_000} {
			s := newSession(t, seed, size, seed%2 == 1)
			for range 50 {
				s.deliver(s.tick(nil))
			}
			s.finish()
			require.Zero(t, s.sh.counts.bytesForeign+s.sh.counts.bytesRepeated)
		}
	}
}

func TestWrongContentIsNoticedAndTheNextTickIsFine(t *testing.T) {
	for seed := range uint64(8) {
		for _, size := range []int{20, 300, 4096, 10_000} {
			s := newSession(t, seed, size, false)
			for i := range int64(60) {
				at := -1
				if i%7 == 3 {
					at = s.rng.IntN(s.p.perTick)
					s.corrupt[i] = true
				}
				s.deliver(s.tick(func(k int, echo []byte) []byte {
					if k == at {
						// Anywhere behind the number: a wrong number is a missing line.
						j := headerLen + s.rng.IntN(len(echo)-headerLen)
						echo[j] ^= 0x40
						if echo[j] == '#' {
							echo[j] = '!'
						}
					}
					return echo
				}))
			}
			s.finish()
		}
	}
}

func TestMissingLinesAreLostAndTheNextTickIsFine(t *testing.T) {
	for seed := range uint64(8) {
		for _, size := range []int{20, 300, 4096, 10_000} {
			s := newSession(t, seed, size, false)
			for i := range int64(60) {
				at := -1
				if s.rng.IntN(5) == 0 {
					at = s.rng.IntN(s.p.perTick)
					s.missing[i] = true
				}
				s.deliver(s.tick(func(k int, echo []byte) []byte {
					if k == at {
						return nil
					}
					return echo
				}))
			}
			s.finish()
			require.Zero(t, s.sh.counts.bytesForeign)
		}
	}
}

func TestReplayAfterAReconnectIsRecognised(t *testing.T) {
	const ring = 64 << 10
	for seed := range uint64(12) {
		for _, size := range []int{12, 300, 4096, 10_000} {
			s := newSession(t, seed, size, false)
			var output []byte // what the session's ring holds
			tick := int64(0)
			for range 5 {
				for range s.rng.IntN(40) {
					echo := s.tick(nil)
					output = append(output, echo...)
					s.deliver(echo)
					tick++
				}
				// In flight when the connection breaks: some reach the process, the
				// others don't; of the echo only a part arrives.
				var unseen []byte
				for range s.rng.IntN(min(10, ring/2/size)) { // what the ring can hold
					reaches := s.rng.IntN(2) == 0
					echo := s.tick(nil)
					if reaches {
						unseen = append(unseen, echo...)
					} else {
						s.missing[tick] = true
					}
					tick++
				}
				output = append(output, unseen...)
				if len(unseen) > 0 && len(s.missing) == 0 {
					s.deliver(unseen[:s.rng.IntN(len(unseen))])
				}
				if s.m.resume(s.sentEcho()) != 0 {
					t.Fatal("nothing is lost before the replay has shown it")
				}
				s.deliver(output[max(0, len(output)-ring):])
			}
			s.finish()
			require.Less(t, s.sh.counts.bytesForeign, int64(5*(MaxLine+2)), "only the torn first line of each replay")
		}
	}
}

func TestForeignBytesAreCountedAndSkipped(t *testing.T) {
	for seed := range uint64(8) {
		s := newSession(t, seed, 300, false)
		s.deliver([]byte("Welcome! # 12 #0 ##\r\n$ "))
		s.m.hunting = true
		for range 10 {
			s.deliver(s.tick(nil))
		}
		s.deliver([]byte("[broadcast: the machine goes down #1234567"))
		s.finish()
		require.Positive(t, s.sh.counts.bytesForeign)
	}
}

func TestBinaryConnectionLosesWhatWasOnItsWay(t *testing.T) {
	s := newSession(t, 1, 100, true)
	for range 10 {
		s.deliver(s.tick(nil))
	}
	s.tick(nil)
	s.tick(nil)
	require.EqualValues(t, 2, s.m.resume(s.sentEcho()))
	s.deliver(s.tick(nil))
	require.EqualValues(t, 11, s.sh.counts.echoed)
	require.Zero(t, s.m.outstanding())
}

func FuzzMatch(f *testing.F) {
	f.Add([]byte("#0000001abc\r\n#0000002"), uint8(3))
	f.Add([]byte("##########"), uint8(0))
	p, err := NewPayload(PayloadConfig{BytesPerTick: 100, CRLF: true})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte, ticks uint8) {
		var sh pumpShard
		m := matcher{payload: p, now: time.Second}
		for range ticks {
			m.begin(0, 0)
		}
		sent := p.chunkStart(int64(ticks))
		for len(data) > 0 {
			n := min(len(data), 1+int(data[0])%16)
			m.match(data[:n], sent, &sh)
			data = data[n:]
		}
		c := &sh.counts
		require.EqualValues(t, ticks, c.echoed+c.lost+c.corrupt+int64(m.outstanding()))
	})
}
