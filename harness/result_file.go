package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// WriteFile writes the result as JSON, for its owner's eyes only, and whole or
// not at all.
func (r *Result) WriteFile(path string) error { return writeJSON(path, "result", r) }

// writeJSON writes a value of a kind that errors name.
func writeJSON(path, kind string, v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetIndent("", " ")
	enc.SetEscapeHTML(false) // thresholds are for people to read
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write %s: %w", kind, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+kind+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", kind, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text.Bytes())
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
