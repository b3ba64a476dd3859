package collector

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// poll is how long a request waits at a point before it has to ask again, because
// what is between may cut long ones.
const poll = 15 * time.Second

// maxBody is the largest body of a request that is not a stream's.
const maxBody = 64 << 10

// meetRequest is a shard that has come to a point.
type meetRequest struct {
	speaker
	Point       string `json:"point"`
	Fingerprint string `json:"fingerprint,omitempty"` // of what all must have in common
	Lenient     bool   `json:"lenient,omitempty"`     // go on without those who are gone
}

// meetAnswer says when to go on, or whom to wait for.
type meetAnswer struct {
	In      float64  `json:"in"` // seconds
	Missing []string `json:"missing,omitempty"`
	Error   string   `json:"error,omitempty"`
}

// point is where shards meet.
type point struct {
	name    string
	lenient bool
	since   time.Time // when the first came
	came    map[int]arrival
	opens   time.Time // zero until all have come
	err     error     // why it never opens
}

// arrival is a shard at a point.
type arrival struct{ process, fingerprint string }

// meet takes a shard that has come to a point.
func (s *Server) meet(w http.ResponseWriter, r *http.Request) {
	var req meetRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&req); err != nil {
		answer(w, http.StatusBadRequest, meetAnswer{Error: "the request is not what it should be: " + err.Error()})
		return
	}
	until := time.NewTimer(poll)
	defer until.Stop()
	for {
		s.mu.Lock()
		opens, missing, err := s.arrive(req)
		changed := s.changed
		s.mu.Unlock()
		switch {
		case err != nil:
			answer(w, http.StatusConflict, meetAnswer{Error: err.Error()})
			return
		case !opens.IsZero():
			answer(w, http.StatusOK, meetAnswer{In: time.Until(opens).Seconds()})
			return
		}
		again := time.NewTimer(time.Second) // somebody may be given up
		select {
		case <-changed:
		case <-again.C:
		case <-until.C:
			again.Stop()
			answer(w, http.StatusAccepted, meetAnswer{Missing: missing})
			return
		case <-r.Context().Done():
			again.Stop()
			return
		}
		again.Stop()
	}
}

// arrive notes who has come, and decides whether the point opens.
func (s *Server) arrive(req meetRequest) (opens time.Time, missing []string, err error) {
	m, err := s.hear(req.speaker)
	if err != nil {
		return opens, nil, err
	}
	p := s.points[req.Point]
	if p == nil {
		p = &point{name: req.Point, lenient: req.Lenient, since: time.Now(), came: map[int]arrival{}}
		s.points[req.Point] = p
	}
	switch came := p.came[m.shard.Index]; {
	case came.process == m.process:
	case !p.opens.IsZero():
		err := fmt.Errorf("the others have gone on from %q at %s, without this process: a load can't be joined later, so begin another run", p.name, p.opens.Format(time.TimeOnly))
		s.refuse(req.speaker, err)
		return opens, nil, err
	default:
		p.came[m.shard.Index] = arrival{m.process, req.Fingerprint}
		defer s.tell()
	}
	if p.err == nil && p.opens.IsZero() {
		missing = s.decide(p)
	}
	return p.opens, missing, p.err
}

// decide opens a point if everybody has come, or never if they can't.
func (s *Server) decide(p *point) (missing []string) {
	s.giveUp()
	var gone []string
	first := -1
	for i, m := range s.members {
		came, there := p.came[i]
		there = there && came.process == m.process
		switch {
		case !there && s.silent(m):
			gone = append(gone, nameOf(m.shard))
		case !there:
			missing = append(missing, nameOf(m.shard))
		case first < 0:
			first = i
		case came.fingerprint != p.came[first].fingerprint:
			p.err = fmt.Errorf("shards %s and %s would not do the same (%s, and %s): give them the same configuration, and let the deployment come to rest before",
				nameOf(s.members[first].shard), nameOf(m.shard), p.came[first].fingerprint, came.fingerprint)
			return nil
		}
	}
	switch waited := time.Since(p.since); {
	case len(gone) > 0 && !p.lenient:
		p.err = fmt.Errorf("shard %s has said nothing for %v, so they can't begin together", strings.Join(gone, ", "), s.cfg.Silence)
	case len(missing) > 0 && waited >= s.cfg.MeetTimeout && !p.lenient:
		p.err = fmt.Errorf("after %v shard %s was still not there, so they can't begin together", s.cfg.MeetTimeout, strings.Join(missing, ", "))
	case len(missing) == 0 || waited >= s.cfg.MeetTimeout:
		p.opens = time.Now()
		if !p.lenient {
			p.opens = p.opens.Add(s.cfg.Lead)
		}
		s.cfg.Logf("%d of %d are at %q", len(p.came), s.cfg.Shards, p.name)
	}
	return missing
}

// silent reports whether a shard was there and is not any more.
func (s *Server) silent(m *member) bool {
	return !m.heard.IsZero() && time.Since(m.heard) > s.cfg.Silence
}

// giveUp gives up those who have been silent for too long in the middle of something.
func (s *Server) giveUp() {
	for _, m := range s.members {
		if !m.gone && s.silent(m) && !s.hasEnded(m) {
			m.gone = true
			s.cfg.Logf("shard %s is given up: it has said nothing for %v", nameOf(m.shard), s.cfg.Silence)
		}
	}
}

// aliveRequest is a sign of life, or the last one.
type aliveRequest struct {
	speaker
	Leaves bool `json:"leaves,omitempty"`
}

// alive takes a sign of life.
func (s *Server) alive(w http.ResponseWriter, r *http.Request) {
	var req aliveRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&req); err != nil {
		answer(w, http.StatusBadRequest, meetAnswer{Error: "the request is not what it should be: " + err.Error()})
		return
	}
	s.mu.Lock()
	m, err := s.hear(req.speaker)
	if err == nil {
		m.left = req.Leaves
	}
	s.mu.Unlock()
	if err != nil {
		answer(w, http.StatusConflict, meetAnswer{Error: err.Error()})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // who has hung up asks again
}
