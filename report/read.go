package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coderscale/scaletest/harness"
)

// Read reads results: files as [harness.ReadResult] takes them, and all results
// in folders and the folders below. A folder's stream is read only where there is
// no result of its run in the folder, which is when the run did not come to its end. Results of a
// folder are in the order of their beginning.
func Read(paths ...string) ([]*harness.Result, error) {
	if len(paths) == 0 {
		return nil, errors.New("read results: no file: want a result.json, a stream.ndjson, or a folder that has them")
	}
	var all []*harness.Result
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("read results: %w", err)
		}
		files := []string{path}
		if info.IsDir() {
			if files, err = filesOf(path); err != nil {
				return nil, fmt.Errorf("read results: %w", err)
			}
			if len(files) == 0 {
				return nil, fmt.Errorf("read results: there is no result*.json and no stream*.ndjson in %s", path)
			}
		}
		var of []*harness.Result
		known := map[key]bool{}
		for _, file := range files {
			res, err := harness.ReadResult(file)
			if err != nil {
				return nil, err
			}
			if info.IsDir() && strings.HasSuffix(file, streamEnding) && known[keyOf(res)] {
				continue
			}
			known[keyOf(res)] = true
			of = append(of, res)
		}
		slices.SortStableFunc(of, func(a, b *harness.Result) int { return a.StartedAt.Compare(b.StartedAt) })
		all = append(all, of...)
	}
	return all, nil
}

// key tells runs apart, shards of one, and runs of one ID that were one after the
// other.
type key struct{ run, shard, name string }

func keyOf(r *harness.Result) key { return key{r.RunID, r.Shard, r.Name} }

const streamEnding = ".ndjson"

// filesOf are the results in a folder, and then the streams.
func filesOf(dir string) (files []string, err error) {
	var streams []string
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch name := d.Name(); {
		case strings.HasPrefix(name, "result") && strings.HasSuffix(name, ".json"):
			files = append(files, path)
		case strings.HasPrefix(name, "stream") && strings.HasSuffix(name, streamEnding):
			streams = append(streams, path)
		}
		return nil
	})
	return append(files, streams...), err
}
