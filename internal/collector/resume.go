package collector

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coderscale/scaletest/harness"
)

// resume takes up what a collector that ended has kept.
func (s *Server) resume() error {
	paths, err := filepath.Glob(filepath.Join(s.cfg.Dir, "*", "shard-*-of-*", "stream.ndjson"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := s.takeUp(path); err != nil {
			return err
		}
	}
	for _, name := range s.order {
		r := s.runs[name]
		if _, err := os.Stat(filepath.Join(r.dir, resultFile)); err == nil && !s.cfg.Resume {
			return fmt.Errorf("the folder %s has the results of run %s, which has ended: want an empty folder for another run, or -resume to go on with that one", s.cfg.Dir, s.runID)
		}
		s.cfg.Logf("taking up %s of run %s, which is in %s", name, s.runID, r.dir)
	}
	return nil
}

// takeUp takes up a stream.
func (s *Server) takeUp(path string) error {
	res, err := harness.ReadResult(path)
	if err != nil {
		return fmt.Errorf("the folder %s has streams that can't be taken up again, want an empty one: %w", s.cfg.Dir, err)
	}
	shard, err := harness.ParseShard(res.Shard)
	if err != nil || max(shard.Of, 1) != s.cfg.Shards || s.runID != "" && s.runID != res.RunID {
		return fmt.Errorf("the folder %s has streams of another run, such as %s: want an empty one", s.cfg.Dir, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	process, err := os.ReadFile(filepath.Join(filepath.Dir(path), processFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.runID = res.RunID
	st, err := s.streamOf(res.Name, shard.Index, string(process))
	if err != nil {
		return err
	}
	st.path, st.size, st.last = path, info.Size(), !res.Partial
	s.runs[res.Name].dir = filepath.Dir(filepath.Dir(path))
	m := s.members[shard.Index]
	m.heard, m.process = s.began, st.process
	return nil
}
