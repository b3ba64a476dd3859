package coderdmetrics

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	// longestLine is far more than a metric of coderd takes.
	longestLine = 64 << 10

	// pieceSize is how much of a family is parsed at a time. What comes of a
	// family's pieces adds up, so that its size does not matter.
	pieceSize = 1 << 20
)

// decoder reads the text format. Lines are chosen by their names alone; what is
// left is the parser's.
type decoder struct {
	in     *bufio.Reader
	parser expfmt.TextParser
	into   *scrape
	family string
	header []byte // the line that says the family's type
	piece  []byte
	atOnce int // of a piece
	bad    map[string]bool
}

// decode reads a scrape. An error means that nothing of it counts: half of a scrape
// would look like counters that have fallen.
func decode(r io.Reader, at time.Time, most int64) (*scrape, error) {
	return decodePieces(r, at, most, pieceSize)
}

func decodePieces(r io.Reader, at time.Time, most int64, atOnce int) (*scrape, error) {
	d := &decoder{
		in: bufio.NewReaderSize(r, longestLine), parser: expfmt.NewTextParser(model.LegacyValidation),
		into: newScrape(at), atOnce: atOnce, bad: map[string]bool{},
	}
	var read int64
	long := 0
	for {
		line, err := d.in.ReadSlice('\n')
		if read += int64(len(line)); read > most {
			return nil, fmt.Errorf("it has more than %d bytes: want a higher Config.MaxBytes, or fewer series per workspace (CODER_PROMETHEUS_AGGREGATE_AGENT_STATS_BY)", most)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			long++
			for errors.Is(err, bufio.ErrBufferFull) && read <= most {
				line, err = d.in.ReadSlice('\n')
				read += int64(len(line))
			}
			line = nil
		}
		d.line(line)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
	}
	d.flush()
	for name := range d.bad {
		d.into.drop(name)
		d.into.notes = append(d.into.notes, "the metric "+name+" can't be read: it is not as Prometheus' text format wants it")
	}
	if long > 0 {
		d.into.notes = append(d.into.notes, fmt.Sprintf("metrics on lines of more than %d bytes were passed over", longestLine))
	}
	if len(d.into.present) == 0 {
		return nil, errors.New("it has no metric of coderd: want the address of coderd's Prometheus listener (CODER_PROMETHEUS_ADDRESS)")
	}
	return d.into, nil
}

var typeLine = []byte("# TYPE ")

// line takes a line, or passes over it.
func (d *decoder) line(line []byte) {
	if len(line) == 0 {
		return
	}
	if line[0] == '#' {
		rest, ok := bytes.CutPrefix(line, typeLine)
		if !ok {
			return
		}
		name := rest[:nameEnd(rest)]
		if _, wanted := thePlan.families[string(name)]; wanted {
			d.begin(string(name), line)
		}
		return
	}
	family, wanted := thePlan.lines[string(line[:nameEnd(line)])]
	if !wanted {
		return
	}
	if family != d.family {
		d.begin(family, nil)
	}
	d.piece = append(d.piece, line...)
	if line[len(line)-1] != '\n' {
		d.piece = append(d.piece, '\n')
	}
	if len(d.piece) >= d.atOnce {
		d.flush()
		d.piece = append(d.piece, d.header...)
	}
}

// nameEnd is where a metric's name ends.
func nameEnd(line []byte) int {
	for i, c := range line {
		if c == '{' || c <= ' ' {
			return i
		}
	}
	return len(line)
}

func (d *decoder) begin(family string, header []byte) {
	d.flush()
	d.family = family
	d.header = append(d.header[:0], header...)
	d.piece = append(d.piece, header...)
}

// flush parses what has gathered.
func (d *decoder) flush() {
	if len(d.piece) > len(d.header) {
		families, err := d.parser.TextToMetricFamilies(bytes.NewReader(d.piece))
		if err != nil {
			d.bad[d.family] = true
		}
		if f := families[d.family]; f != nil && err == nil {
			d.into.fold(f)
		}
	}
	d.piece = d.piece[:0]
}
