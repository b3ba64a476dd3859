package histogram

import (
	"errors"
	"fmt"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// MarshalText encodes the buckets as HdrHistogram's compressed V2 format in
// base64. Min and Max survive to the precision of their buckets.
func (h *Histogram) MarshalText() ([]byte, error) {
	e := hdr.New(lowest, int64(highest), sigFigs)
	for b := range h.Buckets() {
		if err := e.RecordValues(int64(b.Low), int64(b.Count)); err != nil {
			return nil, fmt.Errorf("encode histogram: %w", err)
		}
	}
	text, err := e.Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("encode histogram: %w", err)
	}
	return text, nil
}

// UnmarshalText replaces h by what text holds. Text from another program is
// read as well; its buckets are put into ours, which is lossless when it has
// at most two significant digits.
func (h *Histogram) UnmarshalText(text []byte) (err error) {
	// The decoder trusts the header's sizes.
	defer func() {
		if recover() != nil {
			err = errors.New("decode histogram: the text is damaged")
		}
	}()
	if len(text) > 1<<20 {
		return errors.New("decode histogram: more than 1 MiB of text")
	}
	d, err := hdr.Decode(text)
	if err != nil {
		return fmt.Errorf("decode histogram: %w", err)
	}
	var n Histogram
	for _, b := range d.Distribution() {
		if b.Count < 0 {
			return errors.New("decode histogram: a negative count")
		}
		n.RecordN(time.Duration(b.From), uint64(b.Count))
	}
	*h = n
	return nil
}
