package codertest

// ring keeps the last output, up to its size. It grows as it is filled, so that ten thousand
// quiet terminals stay small.
type ring struct {
	size int
	buf  []byte
	next int // where the oldest byte is, once it is full
}

func (r *ring) write(b []byte) {
	if len(b) >= r.size {
		b = b[len(b)-r.size:]
	}
	if room := r.size - len(r.buf); room > 0 {
		n := min(room, len(b))
		if need := len(r.buf) + n; need > cap(r.buf) {
			grown := make([]byte, len(r.buf), min(max(2*cap(r.buf), need, 512), r.size))
			copy(grown, r.buf)
			r.buf = grown
		}
		r.buf = append(r.buf, b[:n]...)
		b = b[n:]
	}
	for len(b) > 0 {
		n := copy(r.buf[r.next:], b)
		b = b[n:]
		if r.next += n; r.next == r.size {
			r.next = 0
		}
	}
}

// content appends what is kept, the oldest first.
func (r *ring) content(dst []byte) []byte {
	dst = append(dst, r.buf[r.next:]...)
	return append(dst, r.buf[:r.next]...)
}
