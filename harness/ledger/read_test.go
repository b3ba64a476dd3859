package ledger_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness/ledger"
)

const header = `{"ledger":1,"target":"https://coder.test","started_at":"2026-11-23T09:00:00Z","host":"h","pid":7}` + "\n"

func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "l")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestGarbageIsRefusedByLineAndATornEndIsNot(t *testing.T) {
	t.Parallel()
	const a, b = `{"op":"intend","run":"r","kind":"user","name":"a"}` + "\n", `{"op":"intend","run":"r","kind":"user","name":"b"}` + "\n"
	for text, says := range map[string]string{
		"":                                "line 1 is not the header of a ledger",
		a:                                 "line 1 is not the header of a ledger",
		"garbage\n":                       "line 1 is not the header of a ledger",
		header[:40]:                       "line 1 is not the header of a ledger",
		"{\"ledger\":2}\n":                "line 1 is the header of a ledger of version 2, want 1",
		header + a + "garbage\n" + b:      "line 3 is not an entry of a ledger: ",
		header + a[:20] + b:               "line 2 is not an entry of a ledger: ",
		header + "\n":                     "line 2 is not an entry of a ledger: ",
		header + a[:len(a)-1] + b:         "line 2 is not an entry of a ledger: more than one value",
		header + `{"op":"intend"}` + "\n": "line 2 is not an entry of a ledger: the run is empty; the kind is empty; the name is empty",
		header + `{"op":"x","run":"r","kind":"user","name":"a"}` + "\n":       `line 2 is not an entry of a ledger: its op is "x", want intend, made or gone`,
		header + `{"op":"intend","password":"secret"}` + "\n":                 "line 2 is not an entry of a ledger: ",
		header + `{"op":"gone","run":"r","kind":"u","name":"a\u0000"}` + "\n": "control character",
	} {
		path := written(t, text)
		_, err := ledger.Read(path)
		require.ErrorContains(t, err, "read the ledger "+path+": ")
		require.ErrorContains(t, err, says, text)
		_, err = ledger.Resume(path)
		require.ErrorContains(t, err, says, text)
	}
	for cut := range b {
		rec, err := ledger.Read(written(t, header+a+b[:cut]))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, names(rec))
	}
	rec, err := ledger.Read(written(t, header+a+"\x00\x00\x00\x00"))
	require.NoError(t, err, "blocks that a crash kept from being filled")
	require.Equal(t, []string{"a"}, names(rec))
}

func TestListIsNewestFirstAndKeepsTheGoodBesideTheBad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	var want []string
	for i := range 3 {
		l, err := ledger.Create(dir, ledger.Header{StartedAt: at.Add(-time.Duration(i) * time.Millisecond)})
		require.NoError(t, err)
		require.NoError(t, l.Intend(t.Context(), "r", "user", "u"))
		require.NoError(t, l.Close())
		want = append(want, l.Path())
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ledger-bad.ndjson"), []byte("x\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "result.json"), nil, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "ledger-dir.ndjson"), 0o700))
	recs, err := ledger.List(dir)
	require.ErrorContains(t, err, "ledger-bad.ndjson: line 1 is not")
	var got []string
	for _, r := range recs {
		got = append(got, r.Path)
	}
	require.Equal(t, want, got)

	recs, err = ledger.List(filepath.Join(dir, "none"))
	require.NoError(t, err)
	require.Empty(t, recs)
}
