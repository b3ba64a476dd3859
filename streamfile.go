package scaletest

import (
	"fmt"
	"os"
	"path/filepath"
)

// streamFile holds what a run has seen so far, for whoever kills it.
type streamFile struct{ *os.File }

// openStream makes stream.ndjson beside the result. A benchmark has none: its
// runs are short and many. Nil is none.
func openStream(dir string, quiet bool) (*streamFile, error) {
	if quiet || dir == "" {
		return nil, nil
	}
	file, err := os.OpenFile(unused(filepath.Join(dir, "stream.ndjson")), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the stream of the run: %w", err)
	}
	return &streamFile{file}, nil
}

// close keeps the file of a run that began.
func (s *streamFile) close(began bool) error {
	if s == nil {
		return nil
	}
	err := s.Close()
	if !began {
		_ = os.Remove(s.Name())
	}
	if err != nil {
		return fmt.Errorf("close the stream of the run: %w", err)
	}
	return nil
}
