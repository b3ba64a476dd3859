package traffic

import (
	"bytes"
	"time"
)

// matcher finds each tick's end in the stream that comes back. The echo is a
// stream of bytes, so a tick is back when the stream has passed its end. What
// arrives is compared in place with what the payload's cycle says; when it
// differs, the matcher looks for the next line's number to find its place
// again.
//
// Positions count bytes of echo since the stream's beginning.
type matcher struct {
	payload *Payload
	base    int64 // the stream's beginning in an endless cycle
	now     time.Duration

	pos     int64 // of the next byte that arrives
	done    int64 // everything before it is accounted for; pos is less during a replay
	lostEnd int64 // bytes before it are missing for good

	missing, repeated int64 // bytes until now

	hunting bool   // the place in the stream is not known
	held    []byte // the beginning of what may be a line's number, while hunting

	// flights is a ring of ticks on their way; head is the oldest.
	flights []flight
	head, n int
	tick    int64 // number of the oldest
}

type flight struct {
	intended, sent time.Duration
	state          flightState
}

type flightState uint8

const (
	flightFine flightState = iota
	flightLost
	flightCorrupt
)

func (m *matcher) outstanding() int { return m.n }

// begin puts a tick into flight.
func (m *matcher) begin(intended, sent time.Duration) {
	if m.n == len(m.flights) {
		grown := make([]flight, max(2*m.n, 4))
		for i := range m.n {
			grown[i] = m.flights[(m.head+i)%m.n]
		}
		m.flights, m.head = grown, 0
	}
	m.flights[(m.head+m.n)%len(m.flights)] = flight{intended: intended, sent: sent}
	m.n++
}

// flight returns the tick that position at belongs to, if it is in flight.
func (m *matcher) flight(at int64) *flight {
	i := at/int64(m.payload.tickLen) - m.tick
	if i < 0 || i >= int64(m.n) {
		return nil
	}
	return &m.flights[(m.head+int(i))%len(m.flights)]
}

// match takes data that arrived; sent is the position of the end of all that
// was sent.
func (m *matcher) match(data []byte, sent int64, sh *pumpShard) {
	for len(data) > 0 {
		if m.hunting {
			data = m.hunt(data, sent, sh)
			continue
		}
		echo := m.payload.echo
		at := int((m.base + m.pos) % int64(len(echo)))
		n := min(len(data), len(echo)-at)
		if left := sent - m.pos; int64(n) > left {
			if n = int(left); n == 0 { // more than was sent
				m.lose(data, sh)
				continue
			}
		}
		if !bytes.Equal(data[:n], echo[at:at+n]) {
			n = firstDifference(data[:n], echo[at:at+n])
			m.advance(n, sh)
			data = data[n:]
			data = m.differs(data, sh)
			continue
		}
		m.advance(n, sh)
		data = data[n:]
	}
}

// advance moves over n bytes that are as they should be.
func (m *matcher) advance(n int, sh *pumpShard) {
	if repeated := min(int64(n), m.done-m.pos); repeated > 0 {
		sh.counts.bytesRepeated += repeated
		m.repeated += repeated
	}
	m.pos += int64(n)
	m.settle(m.pos, sh)
}

// settle accounts for the ticks that end at or before pos.
func (m *matcher) settle(pos int64, sh *pumpShard) {
	if pos <= m.done {
		return
	}
	m.done = pos
	for m.n > 0 && (m.tick+1)*int64(m.payload.tickLen) <= pos {
		t := &m.flights[m.head]
		if t.state == flightFine && m.tick*int64(m.payload.tickLen) < m.lostEnd {
			t.state = flightLost
		}
		sh.answered(t, m.now)
		m.head = (m.head + 1) % len(m.flights)
		m.n--
		m.tick++
	}
}

// differs handles data whose first byte is not the one at pos. It returns what
// is left to match.
func (m *matcher) differs(data []byte, sh *pumpShard) []byte {
	line, into := m.line(m.pos)
	if into >= headerLen || !m.payload.numbered() {
		// Within a line: the content is wrong.
		if t := m.flight(m.pos); t != nil && m.pos >= m.done {
			t.state = flightCorrupt
		}
		if !m.payload.numbered() {
			// Nothing to find the place by: the place stays, the byte is wrong.
			m.advance(1, sh)
			return data[1:]
		}
		m.lose(data, sh)
		return data
	}
	// In a line's number: another line came. What matched is its beginning.
	m.hunting = true
	m.held = append(m.held[:0], m.expected(line, into)...)
	if m.done == m.pos { // of this line nothing has come
		m.done = line
	}
	return data
}

// lose begins to look for the place in the stream.
func (m *matcher) lose(data []byte, sh *pumpShard) {
	if !m.payload.numbered() {
		// Bytes that nobody sent, and no way to tell where they end.
		sh.counts.bytesForeign += int64(len(data))
		m.hunting = true
		return
	}
	m.hunting = true
	m.held = m.held[:0]
}

// hunt looks for a line's number in data and goes on from there. It returns
// what is left to match.
func (m *matcher) hunt(data []byte, sent int64, sh *pumpShard) []byte {
	if !m.payload.numbered() {
		if m.pos >= sent { // still more than was sent
			sh.counts.bytesForeign += int64(len(data))
			return nil
		}
		m.hunting = false
		return data
	}
	// Text holds no '#', so one begins a line.
	for len(data) > 0 {
		if len(m.held) == 0 {
			i := bytes.IndexByte(data, '#')
			if i < 0 {
				sh.counts.bytesForeign += int64(len(data))
				return nil
			}
			sh.counts.bytesForeign += int64(i)
			data = data[i:]
		}
		n := min(headerLen-len(m.held), len(data))
		m.held = append(m.held, data[:n]...)
		data = data[n:]
		if bad := badHeader(m.held); bad > 0 {
			// A '#' that is not ours. Another one may follow at once.
			if next := bytes.IndexByte(m.held[bad:], '#'); next >= 0 {
				bad += next
			} else {
				bad = len(m.held)
			}
			sh.counts.bytesForeign += int64(bad)
			m.held = append(m.held[:0], m.held[bad:]...)
			continue
		}
		if len(m.held) < headerLen {
			return nil
		}
		number, _ := parseHeader(m.held)
		if at, ok := m.place(number, sent); ok {
			m.found(at, sh)
			return data
		}
		sh.counts.bytesForeign += headerLen
		m.held = m.held[:0]
	}
	return nil
}

// badHeader is 0 if b may begin a line, and otherwise how many bytes of it
// can't.
func badHeader(b []byte) int {
	for i, c := range b {
		if i == 0 && c != '#' || i > 0 && (c < '0' || c > '9') {
			return max(i, 1)
		}
	}
	return 0
}

// place finds the last line with the number that was sent.
func (m *matcher) place(number int, sent int64) (int64, bool) {
	p := m.payload
	if number >= p.Len() || sent == 0 {
		return 0, false
	}
	cycle := int64(len(p.echo))
	start := p.chunkStart(int64(number))
	last := m.base + sent - 1
	if last < start {
		return 0, false
	}
	at := start + (last-start)/cycle*cycle - m.base
	return at, at >= 0
}

// found goes on behind the number of the line that begins at position at.
func (m *matcher) found(at int64, sh *pumpShard) {
	m.hunting = false
	m.held = m.held[:0]
	if at > m.done { // the bytes in between will not come any more
		m.missing += at - m.done
		m.lostEnd = at
		m.settle(at, sh)
	}
	m.pos = at
	m.advance(headerLen, sh)
}

// line returns the position of the beginning of the line that pos is in, and
// how far into the line it is.
func (m *matcher) line(pos int64) (start int64, into int) {
	p := m.payload
	at := int((m.base + pos) % int64(len(p.echo)))
	low, high := 0, len(p.ends)-1
	for low < high { // the first line that ends behind at
		if mid := (low + high) / 2; p.ends[mid] > at {
			high = mid
		} else {
			low = mid + 1
		}
	}
	begin := 0
	if low > 0 {
		begin = p.ends[low-1]
	}
	return pos - int64(at-begin), at - begin
}

// expected returns n bytes of echo from position pos, within a line.
func (m *matcher) expected(pos int64, n int) []byte {
	at := int((m.base + pos) % int64(len(m.payload.echo)))
	return m.payload.echo[at : at+n]
}

// resume prepares for another connection to the same session. It returns how
// many ticks are lost for sure.
func (m *matcher) resume(sent int64) (lost int64) {
	m.held = m.held[:0]
	if m.payload.numbered() {
		m.hunting = true
		return 0
	}
	// Nothing to find the place by.
	m.hunting = false
	lost = m.abandon(sent)
	m.lostEnd = sent
	m.pos, m.done = sent, sent
	return lost
}

// abandon gives up on the ticks that were sent whole and have not come back,
// and returns how many.
func (m *matcher) abandon(sent int64) (lost int64) {
	for m.n > 0 && (m.tick+1)*int64(m.payload.tickLen) <= sent {
		lost++
		m.head = (m.head + 1) % len(m.flights)
		m.n--
		m.tick++
	}
	if end := m.tick * int64(m.payload.tickLen); lost > 0 && end > m.done {
		m.missing += end - m.done
	}
	return lost
}

// firstDifference is the index of the first byte in which a and b differ.
func firstDifference(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return len(a)
}
