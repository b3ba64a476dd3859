package traffic_test

import (
	"bytes"
	"fmt"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/traffic"
)

func newPayload(t testing.TB, cfg traffic.PayloadConfig) *traffic.Payload {
	t.Helper()
	p, err := traffic.NewPayload(cfg)
	require.NoError(t, err)
	return p
}

func TestLinesFitATerminalAndNoShellRunsThem(t *testing.T) {
	harmless := regexp.MustCompile(`^(#[0-9]{7})?[A-Za-z0-9 ]*\n$`)
	for _, size := range []int{1, 2, 9, 10, 11, 100, 1024, 4095, 4096, 4097, 10_000, 65_537, 25 * traffic.MiB} {
		p := newPayload(t, traffic.PayloadConfig{BytesPerTick: size, Seed: 1, CRLF: true})
		var echo []byte
		for i := range p.Len() {
			c := p.Chunk(i)
			require.LessOrEqual(t, len(c), traffic.MaxLine, "tick of %d", size)
			if !harmless.Match(c) {
				t.Fatalf("tick of %d: %q", size, c)
			}
			echo = append(append(echo, c[:len(c)-1]...), '\r', '\n')
		}
		require.True(t, bytes.Equal(echo, p.Echo()), "the terminal's echo of a tick of %d", size)
		if size >= 10 {
			require.GreaterOrEqual(t, len(echo), 1<<20, "the cycle is longer than what is replayed")
		}
	}
}

func TestTickOfAnySizeIsSentWhole(t *testing.T) {
	for _, size := range []int{1, 7, 4096, 4097, 8192, 9_999, 100_003, 25 * traffic.MiB} {
		for _, binary := range []bool{false, true} {
			p := newPayload(t, traffic.PayloadConfig{BytesPerTick: size, Binary: binary})
			for tick := range 3 {
				sum := 0
				for i := range p.ChunksPerTick() {
					sum += len(p.Chunk((tick*p.ChunksPerTick() + i) % p.Len()))
				}
				require.Equal(t, size, sum, "tick %d of %d bytes", tick, size)
			}
		}
	}
}

func TestSeedDecidesTheContent(t *testing.T) {
	for _, binary := range []bool{false, true} {
		cfg := traffic.PayloadConfig{BytesPerTick: 1000, Seed: 7, Binary: binary}
		a, b := newPayload(t, cfg), newPayload(t, cfg)
		cfg.Seed = 8
		c := newPayload(t, cfg)
		require.Equal(t, a.Echo(), b.Echo())
		require.NotEqual(t, a.Echo(), c.Echo())
	}
}

func TestEncodedFramesAreThePayload(t *testing.T) {
	p := newPayload(t, traffic.PayloadConfig{BytesPerTick: 300})
	frames := p.Encode(func(dst, chunk []byte) []byte { return fmt.Appendf(dst, "<%s>", chunk) })
	require.Len(t, frames, p.Len())
	for i, f := range frames {
		require.Equal(t, fmt.Sprintf("<%s>", p.Chunk(i)), string(f))
	}
}

func TestPayloadRefusesNonsense(t *testing.T) {
	_, err := traffic.NewPayload(traffic.PayloadConfig{MaxChunk: 3})
	require.ErrorContains(t, err, "bytes per tick is 0")
	require.ErrorContains(t, err, "longest line is 3")
}
