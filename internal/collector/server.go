package collector

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/coderscale/scaletest/harness"
)

// Config says how many shards there are and how long they are waited for. The zero
// values of all but Shards and Dir are useful.
type Config struct {
	// Shards is how many there are.
	Shards int

	// Dir is the folder for streams and results of one run. It is made. What a
	// collector that was killed has kept there is taken up.
	Dir string

	// Resume takes up a run also when its results are there already. Without it
	// they are taken for those of an earlier run, and the folder is refused.
	Resume bool

	// RunID is the run's. Empty is that of the first shard that comes.
	RunID string

	// MeetTimeout is how long those who come first wait for the others. 0 means 15
	// minutes.
	MeetTimeout time.Duration

	// Silence is how long a shard that has been heard may say nothing before it is
	// given up. 0 means 1 minute.
	Silence time.Duration

	// Linger is how long all must have been silent after their end, because a process
	// may begin another run. 0 means 15 seconds.
	Linger time.Duration

	// Lead is how long after the last has come all begin, so that everybody knows in
	// time. 0 means 2 seconds.
	Lead time.Duration

	// Logf gets lines for people. Nil drops them.
	Logf func(format string, args ...any)
}

// Validate reports everything that is wrong.
func (c Config) Validate() error {
	var errs []error
	if c.Shards < 1 {
		errs = append(errs, fmt.Errorf("there are %d shards, want 1 or more", c.Shards))
	}
	if c.Dir == "" {
		errs = append(errs, errors.New("there is no folder for what the shards measure"))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"MeetTimeout", c.MeetTimeout}, {"Silence", c.Silence}, {"Linger", c.Linger}, {"Lead", c.Lead}} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("%s is %v, want 0 (the default) or more", d.name, d.value))
		}
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{{&c.MeetTimeout, 15 * time.Minute}, {&c.Silence, time.Minute}, {&c.Linger, 15 * time.Second}, {&c.Lead, 2 * time.Second}} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	if c.Logf == nil {
		c.Logf = func(string, ...any) {}
	}
	return c
}

// Server is where shards meet. It is an http.Handler.
type Server struct {
	cfg   Config
	mux   *http.ServeMux
	began time.Time

	mu      sync.Mutex
	runID   string // of the first who came, if it was not told
	members []*member
	points  map[string]*point
	runs    map[string]*run
	order   []string // names of the runs
	changed chan struct{}
	refused []string // whom, and why
}

// member is what is known of a shard.
type member struct {
	shard   harness.Shard
	process string    // that speaks for it
	heard   time.Time // zero until it has come
	gone    bool      // it was given up
	left    bool      // the process has said that it ends
}

// New makes a server. The folder must have nothing of another run in it.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("collector: %w", err)
	}
	cfg = cfg.withDefaults()
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("collector: make the folder: %w", err)
	}
	s := &Server{
		cfg: cfg, mux: http.NewServeMux(), began: time.Now(), runID: cfg.RunID, points: map[string]*point{}, runs: map[string]*run{},
		changed: make(chan struct{}),
	}
	for i := range cfg.Shards {
		s.members = append(s.members, &member{shard: harness.Shard{Index: i, Of: cfg.Shards}})
	}
	if err := s.resume(); err != nil {
		return nil, fmt.Errorf("collector: %w", err)
	}
	s.mux.HandleFunc("POST /v1/meet", s.meet)
	s.mux.HandleFunc("POST /v1/alive", s.alive)
	s.mux.HandleFunc("POST /v1/stream", s.take)
	s.mux.HandleFunc("GET /report", s.report)
	s.mux.HandleFunc("GET /result", s.result)
	s.mux.HandleFunc("GET /{$}", s.page)
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	return s, nil
}

// ServeHTTP serves the protocol and the pages.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// hear notes that a shard has said something, and returns it. An error is one of
// whoever said it, and is put down.
func (s *Server) hear(from speaker) (*member, error) {
	m, err := s.know(from)
	if err != nil {
		s.refuse(from, err)
	}
	return m, err
}

// refuse puts down who was refused, and why.
func (s *Server) refuse(from speaker, err error) {
	text := printable(fmt.Sprintf("refused: shard %.20s of run %.20s, %s: %v", from.Shard, from.RunID, processName(from.Process), err))
	if len(s.refused) < 100 && !slices.Contains(s.refused, text) { // it asks again
		s.refused = append(s.refused, text)
		s.cfg.Logf("%s", text)
	}
}

// printable is text without what a terminal would obey: anybody may have sent it.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// speaker is who says something.
type speaker struct {
	RunID   string `json:"run_id"`
	Shard   string `json:"shard"`
	Process string `json:"process"` // tells it from others that would be the same shard
}

func (s *Server) know(from speaker) (*member, error) {
	runID, shard := from.RunID, from.Shard
	who, err := parseShard(shard)
	if err != nil {
		return nil, err
	}
	if who.Of != s.cfg.Shards {
		return nil, fmt.Errorf("this is shard %s, and the collector waits for %d: want the same number everywhere", shard, s.cfg.Shards)
	}
	if s.runID == "" {
		s.runID = runID
	}
	if runID != s.runID {
		return nil, fmt.Errorf("this is run %s, and the collector has run %s: want one collector for each", runID, s.runID)
	}
	if from.Process == "" {
		return nil, errors.New("it does not say which process it is: want the same version of this program everywhere")
	}
	m := s.members[who.Index]
	if err := m.take(from.Process); err != nil {
		return nil, err
	}
	if m.heard.IsZero() {
		s.cfg.Logf("shard %s is there", shard)
	}
	if m.gone {
		s.cfg.Logf("shard %s is there again", shard)
	}
	m.heard, m.gone, m.left = time.Now(), false, false
	return m, nil
}

// tell wakes those who wait for something to change.
func (s *Server) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// parseShard reads "1/1" too, which is a whole.
func parseShard(text string) (harness.Shard, error) {
	shard, err := harness.ParseShard(text)
	if err == nil && shard.Of == 0 {
		return shard, errors.New("there is no shard, want such as 2/5")
	}
	return shard, err
}

// nameOf is how a shard is called, also the only one.
func nameOf(shard harness.Shard) string { return fmt.Sprintf("%d/%d", shard.Index+1, max(shard.Of, 1)) }
