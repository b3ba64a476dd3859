package collector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// Run is what came of a run.
type Run struct {
	Name   string
	Dir    string // of its shards' streams
	Result *harness.Result
}

// Wait returns the runs, in the order in which they began, when all shards have
// ended or are given up, or when nobody has come for the time that they have to
// meet. When ctx is done before, it returns what there is, beside the error.
func (s *Server) Wait(ctx context.Context) ([]Run, error) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		s.mu.Lock()
		over, err := s.over()
		s.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if over {
			return s.results()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			runs, err := s.results()
			return runs, errors.Join(context.Cause(ctx), err)
		}
	}
}

// over reports whether nothing more is to come.
func (s *Server) over() (bool, error) {
	s.giveUp()
	var last time.Time
	missing := 0
	for _, m := range s.members {
		if m.heard.IsZero() {
			missing++
		}
		if m.heard.After(last) {
			last = m.heard
		}
		if !m.heard.IsZero() && !m.gone && !s.hasEnded(m) {
			return false, nil
		}
	}
	quiet := time.Since(last) >= s.cfg.Linger
	switch {
	case missing == len(s.members) && time.Since(s.began) >= s.cfg.MeetTimeout:
		if len(s.refused) > 0 {
			return false, fmt.Errorf("collector: no shard of the run has come within %v; %s", s.cfg.MeetTimeout, strings.Join(s.refused, "; "))
		}
		return false, fmt.Errorf("collector: no shard has come within %v: look at their logs, and whether they can reach this", s.cfg.MeetTimeout)
	case missing == len(s.members):
		return false, nil
	case missing > 0:
		return time.Since(s.began) >= s.cfg.MeetTimeout && quiet, nil
	}
	return quiet, nil
}

// results merges what there is.
func (s *Server) results() ([]Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var runs []Run
	var errs []error
	for _, name := range s.order {
		r := s.runs[name]
		res, err := r.result()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		runs = append(runs, Run{Name: name, Dir: r.dir, Result: res})
	}
	if len(runs) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("collector: no shard has begun a run"))
	}
	return runs, errors.Join(errs...)
}

// result is that of all shards until now.
func (r *run) result() (*harness.Result, error) {
	var shards []*harness.Result
	for _, st := range r.streams {
		if st == nil || st.size == 0 {
			continue
		}
		res, err := harness.ReadResult(st.path)
		if err != nil {
			return nil, err
		}
		shards = append(shards, res)
	}
	if len(shards) == 1 && len(r.streams) == 1 {
		return shards[0], nil // a whole
	}
	return harness.Merge(harness.MergeOptions{}, shards...)
}

// resultFile is what is made when a run has ended.
const resultFile = "result.json"

// WriteFile writes the result beside the streams, and returns its path.
func (r Run) WriteFile() (string, error) {
	path := filepath.Join(r.Dir, resultFile)
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return "", err
	}
	return path, r.Result.WriteFile(path)
}
