package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// WriteFile writes the result as JSON, for its owner's eyes only, and whole or
// not at all.
func (r *Result) WriteFile(path string) error { return writeJSON(path, "result", r) }

// Write writes the result as result.json has it.
func (r *Result) Write(w io.Writer) error {
	text, err := encodeJSON(r)
	if err == nil {
		_, err = w.Write(text)
	}
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

func encodeJSON(v any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetIndent("", " ")
	enc.SetEscapeHTML(false) // thresholds are for people to read
	err := enc.Encode(v)
	return foldNumbers(text.Bytes()), err
}

// foldNumbers puts arrays of numbers, and of such arrays, on one line: people
// read the rest, and these make most of a long run's file.
func foldNumbers(text []byte) []byte {
	out := text[:0] // it only becomes shorter
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			end := i + 1
			for ; end < len(text) && text[end] != '"'; end++ {
				if text[end] == '\\' {
					end++
				}
			}
			out = append(out, text[i:min(end+1, len(text))]...)
			i = end
			continue
		case '[':
			if end := numbersEnd(text, i); end > 0 {
				for ; i < end; i++ {
					if !isSpace(text[i]) {
						out = append(out, text[i])
					}
				}
				i--
				continue
			}
		}
		out = append(out, text[i])
	}
	return out
}

// numbersEnd is the end of an array of numbers that begins at i, or 0.
func numbersEnd(text []byte, i int) int {
	depth := 0
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c == '[':
			depth++
		case c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case !isSpace(c) && !bytes.ContainsRune([]byte("0123456789+-.eE,"), rune(c)):
			return 0
		}
	}
	return 0
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// writeJSON writes a value of a kind that errors name.
func writeJSON(path, kind string, v any) error {
	text, err := encodeJSON(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", kind, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+kind+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", kind, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Sync() // or a crash could leave the name without the content
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", kind, err)
	}
	return nil
}

// ReadResult reads a result file of this schema version, or makes a result of a
// stream: see [ReadStream].
func ReadResult(path string) (*Result, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	if bytes.HasPrefix(text, []byte(`{"at":`)) {
		res, err := ReadStream(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("read result %s: %w", path, err)
		}
		return res, nil
	}
	// The version first: another schema need not fit into these types.
	var head struct {
		SchemaVersion *int `json:"schema_version"`
	}
	switch err := json.Unmarshal(text, &head); {
	case err != nil:
		return nil, fmt.Errorf("read result %s: %w", path, err)
	case head.SchemaVersion == nil:
		return nil, fmt.Errorf("read result %s: it has no schema version, so it is no result", path)
	case *head.SchemaVersion != SchemaVersion:
		return nil, fmt.Errorf("read result %s: schema version %d, want %d", path, *head.SchemaVersion, SchemaVersion)
	}
	var r Result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read result %s: %w", path, err)
	}
	return &r, nil
}
