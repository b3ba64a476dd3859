package scenario

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/coderscale/scaletest/traffic"
)

// maxReplay is how large a file of recorded arrivals may be: some millions of
// lines.
const maxReplay = 64 << 20

// readReplays takes the recorded arrivals of the scenarios from the files that
// they name.
func (f *File) readReplays(dir string) error {
	var errs []error
	for i := range f.Scenarios {
		s := &f.Scenarios[i]
		if s.Schedule == nil || s.Schedule.File == "" || s.Schedule.Kind != ReplayArrivals || len(s.Schedule.Offsets) > 0 {
			continue // Validate says what is wrong
		}
		of := *s.Schedule
		offsets, err := readReplay(dir, of.File)
		if err != nil {
			errs = append(errs, fmt.Errorf("scenario %d (%s): schedule: %w", i+1, s.name(), err))
			offsets = []Duration{0} // so that it is not said again
		}
		of.File, of.Offsets = "", offsets
		s.Schedule = &of
	}
	return errors.Join(errs...)
}

func readReplay(dir, path string) ([]Duration, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	info, err := os.Stat(path) // first, because to open a pipe would wait
	if err != nil {
		return nil, fmt.Errorf("read the recorded arrivals: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxReplay {
		return nil, fmt.Errorf("read the recorded arrivals of %s: want a plain file of at most %d MiB", path, maxReplay>>20)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the recorded arrivals: %w", err)
	}
	defer file.Close()
	recorded, err := traffic.ReadReplay(io.LimitReader(file, maxReplay))
	if err != nil {
		return nil, fmt.Errorf("read the recorded arrivals of %s: %w", path, err)
	}
	offsets := make([]Duration, len(recorded))
	for i, at := range recorded {
		offsets[i] = Duration(at)
	}
	return offsets, nil
}
