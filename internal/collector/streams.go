package collector

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// maxChunk is the largest piece of a stream in one request.
const maxChunk = 8 << 20

// run is one run of a process, such as a test, that all shards have.
type run struct {
	name    string
	dir     string
	streams []*stream // by the shard's index; nil until it begins
}

// stream is what a shard has sent of a run.
type stream struct {
	path    string
	process string // whose it is
	size    int64
	last    bool // it has come to its end
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// folder is a name as that of a folder.
func folder(name string) string {
	f := strings.Trim(notInNames.ReplaceAllString(name, "_"), "._")
	if f == "" {
		return "run"
	}
	return f[:min(len(f), 100)]
}

// streamAnswer says how much the server has.
type streamAnswer struct {
	Size  int64  `json:"size"`
	Error string `json:"error,omitempty"`
}

// take appends to a stream. One that is not at the server's end is answered by
// where that is, so that it is sent again from there.
func (s *Server) take(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	offset, err := strconv.ParseInt(q.Get("offset"), 10, 64)
	if err != nil || offset < 0 || q.Get("name") == "" {
		answer(w, http.StatusBadRequest, streamAnswer{Error: "want a name, and an offset of 0 or more"})
		return
	}
	chunk, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxChunk))
	if err != nil {
		answer(w, http.StatusBadRequest, streamAnswer{Error: fmt.Sprintf("want at most %d bytes at a time", maxChunk)})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	from := speaker{q.Get("run_id"), q.Get("shard"), q.Get("process")}
	m, err := s.hear(from)
	if err != nil {
		answer(w, http.StatusConflict, streamAnswer{Error: err.Error()})
		return
	}
	st, err := s.streamOf(q.Get("name"), m.shard.Index, m.process)
	if err == nil && st.process != m.process {
		err := fmt.Errorf("shard %s has done %s already, as %s: a load can't be done again in the same run, so begin another", nameOf(m.shard), q.Get("name"), processName(st.process))
		s.refuse(from, err)
		answer(w, http.StatusConflict, streamAnswer{Error: err.Error()})
		return
	}
	if err == nil && offset == st.size {
		err = st.append(chunk)
		st.last = st.last || err == nil && q.Get("last") == "true"
	}
	if err != nil {
		s.cfg.Logf("shard %s: %v", q.Get("shard"), err)
		answer(w, http.StatusInternalServerError, streamAnswer{Error: err.Error()})
		return
	}
	answer(w, http.StatusOK, streamAnswer{Size: st.size})
}

// processFile says whose the stream beside it is.
const processFile = "process"

// streamOf finds a shard's stream of a run, or begins that of a process.
func (s *Server) streamOf(name string, shard int, process string) (*stream, error) {
	r := s.runs[name]
	if r == nil {
		r = &run{name: name, dir: filepath.Join(s.cfg.Dir, folder(name)), streams: make([]*stream, s.cfg.Shards)}
		for _, other := range s.runs {
			if other.dir == r.dir {
				r.dir = fmt.Sprintf("%s-%d", r.dir, len(s.runs)+1)
			}
		}
		s.runs[name] = r
		s.order = append(s.order, name)
	}
	if r.streams[shard] == nil {
		dir := filepath.Join(r.dir, fmt.Sprintf("shard-%d-of-%d", shard+1, s.cfg.Shards))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("keep the stream: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, processFile), []byte(process), 0o600); err != nil {
			return nil, fmt.Errorf("keep the stream: %w", err)
		}
		r.streams[shard] = &stream{path: filepath.Join(dir, "stream.ndjson"), process: process}
	}
	return r.streams[shard], nil
}

func (st *stream) append(chunk []byte) error {
	if len(chunk) == 0 && st.size > 0 {
		return nil
	}
	file, err := os.OpenFile(st.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep the stream: %w", err)
	}
	n, err := file.Write(chunk)
	st.size += int64(n)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("keep the stream: %w", err)
	}
	return nil
}

// hasEnded reports whether a shard has come to the end of whatever it began.
func (s *Server) hasEnded(m *member) bool {
	began := false
	for _, r := range s.runs {
		if st := r.streams[m.shard.Index]; st != nil {
			if began = true; !st.last {
				return false
			}
		}
	}
	return began
}
