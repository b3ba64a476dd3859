package traffic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
)

// MaxLine is the longest line, its newline included, that a terminal in
// canonical mode hands to a program: N_TTY_BUF_SIZE of Linux. What is longer is
// echoed, but cut before it reaches the process.
const MaxLine = 4096

// PayloadConfig says what the ticks of a load are made of.
type PayloadConfig struct {
	// BytesPerTick is the size of a tick.
	BytesPerTick int

	// Seed makes the content. The same seed gives the same bytes.
	Seed uint64

	// Binary fills the chunks with random bytes. Otherwise they are lines of
	// printable text that no shell would run: letters, digits and spaces behind
	// a '#' and the line's number, ended by a newline.
	Binary bool

	// MaxChunk is the longest line or chunk. A larger tick goes out as several
	// of nearly equal length. 0 means [MaxLine].
	MaxChunk int

	// CRLF says that the peer returns each newline as carriage return and
	// newline, as a terminal does.
	CRLF bool
}

// Payload is a cycle of lines (or binary chunks), made once and shared by all
// connections. Line n is line n modulo the length of the cycle, and the cycle
// is longer than anything that is ever on the way or replayed, so a line's
// number tells its place in the stream.
type Payload struct {
	cfg     PayloadConfig
	perTick int      // chunks in a tick
	chunks  [][]byte // the cycle
	echo    []byte   // what comes back for the whole cycle
	ends    []int    // where chunk i's echo ends in echo
	tickLen int      // bytes that come back for a tick
}

const (
	cycleBytes = 1 << 20 // at least; 64 KiB are replayed after a reconnect
	tinyCycle  = 4096    // lines
	seqDigits  = 7       // up to ten million lines in a cycle
	headerLen  = 1 + seqDigits
	minSeqLine = headerLen + 2 // '#', number, one byte of text, newline
)

// NewPayload makes the cycle.
func NewPayload(cfg PayloadConfig) (*Payload, error) {
	if cfg.MaxChunk == 0 {
		cfg.MaxChunk = MaxLine
	}
	var errs []error
	if cfg.BytesPerTick < 1 || cfg.BytesPerTick > 256*MiB {
		errs = append(errs, fmt.Errorf("bytes per tick is %d, want between 1 and 256 MiB", cfg.BytesPerTick))
	}
	if cfg.MaxChunk < 16 || cfg.MaxChunk > 16*MiB {
		errs = append(errs, fmt.Errorf("longest line is %d bytes, want between 16 and 16 MiB", cfg.MaxChunk))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p := &Payload{cfg: cfg}
	p.perTick = (cfg.BytesPerTick + cfg.MaxChunk - 1) / cfg.MaxChunk
	short, longer := cfg.BytesPerTick/p.perTick, cfg.BytesPerTick%p.perTick

	n := (cycleBytes + short - 1) / short
	if !p.numbered() && !cfg.Binary {
		n = min(n, tinyCycle) // without numbers nothing is found again anyway
	}
	if longer == 0 && p.perTick > n {
		// All lines are of one length, so the cycle need not hold a whole tick.
		n = max(n, 2)
	} else {
		n = (n + p.perTick - 1) / p.perTick * p.perTick
	}
	rng := rand.New(rand.NewPCG(cfg.Seed, golden))
	p.chunks, p.ends = make([][]byte, 0, n), make([]int, 0, n)
	p.echo = make([]byte, 0, n*(short+2)) // a longer line and its carriage return, each
	for i := range n {
		length := short
		if i%p.perTick < longer {
			length++
		}
		p.add(i, length, rng)
	}
	p.tickLen = cfg.BytesPerTick
	if cfg.CRLF && !cfg.Binary {
		p.tickLen += p.perTick
	}
	return p, nil
}

// add makes a chunk. Where it comes back as it is, both are the same bytes: the
// cycle is most of what a small load needs.
func (p *Payload) add(i, length int, rng *rand.Rand) {
	from := len(p.echo)
	p.echo = append(p.echo, make([]byte, length)...)
	chunk := p.echo[from : from+length : from+length]
	if p.cfg.Binary {
		for j := 0; j < length; j += 8 {
			var word [8]byte
			binary.LittleEndian.PutUint64(word[:], rng.Uint64())
			copy(chunk[j:], word[:])
		}
	} else {
		fillText(chunk, i, rng)
		if p.cfg.CRLF {
			chunk = slices.Clone(chunk)
			p.echo = append(p.echo[:from+length-1], '\r', '\n')
		}
	}
	p.chunks = append(p.chunks, chunk)
	p.ends = append(p.ends, len(p.echo))
}

// alphabet has 64 letters, digits and spaces: six random bits a byte, and
// nothing that a shell, a terminal or JSON would treat specially.
const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789  "

func fillText(line []byte, number int, rng *rand.Rand) {
	text := line[:len(line)-1]
	line[len(line)-1] = '\n'
	if len(line) >= minSeqLine {
		copy(text, fmt.Sprintf("#%0*d", seqDigits, number))
		text = text[headerLen:]
	}
	var bits uint64
	for j := range text {
		if j%10 == 0 {
			bits = rng.Uint64()
		}
		text[j] = alphabet[bits&63]
		bits >>= 6
	}
}

// ChunksPerTick is how many lines or chunks a tick consists of.
func (p *Payload) ChunksPerTick() int { return p.perTick }

// Len is the number of lines or chunks in the cycle.
func (p *Payload) Len() int { return len(p.chunks) }

// Chunk is line or chunk i of the cycle. It must not be changed.
func (p *Payload) Chunk(i int) []byte { return p.chunks[i] }

// Echo is what comes back for the whole cycle. It must not be changed.
func (p *Payload) Echo() []byte { return p.echo }

// numbered reports whether lines carry their number.
func (p *Payload) numbered() bool {
	return !p.cfg.Binary && p.cfg.BytesPerTick/p.perTick >= minSeqLine
}

// parseHeader reads the number of the line that b begins with.
func parseHeader(b []byte) (number int, ok bool) {
	if len(b) < headerLen || b[0] != '#' {
		return 0, false
	}
	for _, c := range b[1:headerLen] {
		if c < '0' || c > '9' {
			return 0, false
		}
		number = number*10 + int(c-'0')
	}
	return number, true
}

// chunkStart is where the echo of the n-th chunk of an endless stream begins,
// if the stream begins with chunk 0.
func (p *Payload) chunkStart(n int64) int64 {
	cycle, i := n/int64(len(p.ends)), int(n%int64(len(p.ends)))
	start := cycle * int64(len(p.echo))
	if i > 0 {
		start += int64(p.ends[i-1])
	}
	return start
}

// Encode passes every chunk of the cycle through encode, which appends to dst
// what goes on the wire, and returns the results: frames are made once, and
// the hot path writes bytes that already exist.
func (p *Payload) Encode(encode func(dst, chunk []byte) []byte) [][]byte {
	frames := make([][]byte, len(p.chunks))
	arena := make([]byte, 0, len(p.echo)+len(p.echo)/8+16*len(p.chunks)) // a guess: it grows
	for i, c := range p.chunks {
		start := len(arena)
		arena = encode(arena, c)
		frames[i] = arena[start:len(arena):len(arena)]
	}
	return frames
}
