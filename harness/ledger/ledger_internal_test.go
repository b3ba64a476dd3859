package ledger

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNothingMoreIsPromisedOnceTheDiskIsFull(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full, a device that is always full, on this system: ", err)
	}
	l := open(filepath.Join(t.TempDir(), "l"), f, map[key]struct{}{})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			err := l.Intend(t.Context(), "r", "user", fmt.Sprint(i))
			if err == nil {
				t.Error("it promised what is not on disk")
			}
		})
	}
	wg.Wait()
	err = l.Intend(t.Context(), "r", "user", "later")
	require.ErrorContains(t, err, "no space left on device")
	require.ErrorContains(t, err, "that user later will be created")
	require.ErrorContains(t, l.Close(), "no space left on device")
}

func FuzzRead(f *testing.F) {
	h := Header{Target: "https://coder.test"}.complete()
	good := h.line()
	for i, o := range []op{opIntend, opMade, opIntend, opGone} {
		good = Entry{Run: "r", Kind: "user", Name: fmt.Sprint("u", i/2), ID: "x"}.append(good, o)
	}
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add(append(bytes.Clone(good), 0, 0))
	f.Add([]byte("{\"ledger\":1}\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, end, err := parse(b)
		if err != nil {
			return
		}
		require.LessOrEqual(t, end, len(b))
		again, _, err := parse(b[:end])
		require.NoError(t, err)
		require.Equal(t, rec, again)
		// What is left reads the same when it is written anew.
		lines := rec.Header.line()
		for _, e := range rec.Left {
			require.NoError(t, e.validate())
			lines = e.append(lines, opMade)
		}
		again, end, err = parse(lines)
		require.NoError(t, err)
		require.Equal(t, len(lines), end)
		require.Equal(t, len(rec.Left), len(again.Left))
		for i := range rec.Left {
			require.Equal(t, rec.Left[i], again.Left[i])
		}
	})
}
