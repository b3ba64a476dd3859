package keystream_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/codertest/internal/keystream"
)

type message struct {
	Data   string `json:"data"`
	Width  uint16 `json:"width"`
	Height uint16 `json:"height"`
}

// all reads objects until the bytes end or are wrong. It keeps what is
// incomplete, as a connection does.
func all(pieces ...[]byte) (out []message, rest []byte, err error) {
	for _, p := range pieces {
		rest = append(bytes.Clone(rest), p...)
		for {
			m, n, err := keystream.Next(rest)
			if errors.Is(err, keystream.ErrIncomplete) {
				break
			}
			if err != nil {
				return out, rest, err
			}
			out = append(out, message{string(m.Data), m.Width, m.Height})
			rest = rest[n:]
		}
	}
	return out, rest, nil
}

// model is what encoding/json makes of it.
func model(b []byte) (out []message, failed bool) {
	for dec := json.NewDecoder(bytes.NewReader(b)); ; {
		if rest := bytes.TrimLeft(b[dec.InputOffset():], " \t\r\n"); len(rest) == 0 {
			return out, false
		} else if rest[0] != '{' {
			return out, true
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return out, !errors.Is(err, io.ErrUnexpectedEOF)
		}
		var m message
		if json.Unmarshal(raw, &m) != nil {
			return out, true
		}
		out = append(out, m)
	}
}

func TestObjectsMeanWhatEncodingJSONSaysHoweverTheyAreCut(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		`{"data":"plain"}`,
		`{"data":""}`,
		`{"data":"line\n"}{"data":"another\r\n"}` + "\n",
		`{"data":"\u0003"}`,
		`{"data":"\u00e9\u20ac"}`,
		`{"data":"a \"quoted\" \\ back\/slash \\"}`,
		`{"data":"\\\\\""}`,
		`{"data":"é€😀"}`,
		`{"data":"\ud83d\ude00"}`,
		`{"data":"x","height":40,"width":120}`,
		`{"height":40,"width":120}`,
		` { "data" : "spaces" } `,
		`{"data":"twice","data":"wins"}`,
		`{"data":"` + strings.Repeat("0123456789", 1000) + `\n"}`,
		`{}{"other":1}{"DATA":"any case"}{"data":null}`,
	} {
		want, failed := model([]byte(in))
		require.False(t, failed, in)
		for cut := range min(len(in), 60) {
			got, rest, err := all([]byte(in[:cut]), []byte(in[cut:]))
			require.NoError(t, err, "%s cut at %d", in, cut)
			require.Equal(t, want, got, "%s cut at %d", in, cut)
			require.Empty(t, bytes.TrimSpace(rest))
		}
	}
}

func TestWhatIsNotAnObjectIsRefused(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"this is not json\n", `{"data":"tab	inside"}`, `{"data":"\x"}`, `{"data":1}`, `{"data":"x"]`,
		`{"width":-1}`, `{"width":70000}`, `"text"`, `[]`, `}`, `null`, `1`,
	} {
		_, _, err := all([]byte(in))
		require.Error(t, err, in)
	}
}

func TestAnUnfinishedObjectIsNotTouched(t *testing.T) {
	t.Parallel()
	in := []byte(`{"data":"a\nb\u0041`)
	was := string(in)
	_, n, err := keystream.Next(in)
	require.ErrorIs(t, err, keystream.ErrIncomplete)
	assert.Zero(t, n)
	assert.Equal(t, was, string(in))
}

func TestTheUsualObjectCostsNoAllocation(t *testing.T) {
	in := []byte(`{"data":"` + strings.Repeat("x", 4095) + `\n"}`)
	b := make([]byte, len(in))
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		copy(b, in) // decoding is in place
		m, n, err := keystream.Next(b)
		if err != nil || n != len(in) || len(m.Data) != 4096 {
			t.Fatalf("%d bytes of data, %d used, %v", len(m.Data), n, err)
		}
	}))
}

func FuzzNext(f *testing.F) {
	for _, s := range []string{`{"data":"abc\n"}`, `{"data":"\u0003"}{"height":1,"width":2}`, `{"data":"é\ud83d\ude00"} x`, `{"data":"\\"`} {
		f.Add([]byte(s), uint(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, cut uint) {
		at := int(cut % uint(len(in)+1))
		got, rest, err := all(in[:at], in[at:])
		whole, wholeRest, wholeErr := all(in)
		require.Equal(t, whole, got)
		require.Equal(t, wholeErr == nil, err == nil)
		if err == nil {
			require.Equal(t, string(wholeRest), string(rest))
		}
		want, failed := model(in)
		require.Equal(t, want, whole)
		require.Equal(t, failed, wholeErr != nil)
	})
}
