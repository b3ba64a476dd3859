package collector

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"
	"net/http"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report"
)

//go:embed page.gohtml
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// shardState is what the page says of a shard.
type shardState struct {
	Shard, State string
	Heard        string // how long ago
}

// page says what is known, for people.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	s.giveUp()
	view := struct {
		RunID  string
		Shards []shardState
		Runs   []string
	}{RunID: s.runID, Runs: s.order}
	for _, m := range s.members {
		state := shardState{Shard: nameOf(m.shard), State: s.stateOf(m)}
		if !m.heard.IsZero() {
			state.Heard = time.Since(m.heard).Round(time.Second).String() + " ago"
		}
		view.Shards = append(view.Shards, state)
	}
	s.mu.Unlock()
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, view); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = page.WriteTo(w)
}

func (s *Server) stateOf(m *member) string {
	switch {
	case m.heard.IsZero():
		return "not there yet"
	case m.gone:
		return "given up"
	case s.hasEnded(m):
		return "ended"
	}
	for _, r := range s.runs {
		if st := r.streams[m.shard.Index]; st != nil && !st.last {
			return "in " + r.name
		}
	}
	for _, p := range s.points {
		if _, there := p.came[m.shard.Index]; there && p.opens.IsZero() && p.err == nil {
			return "waits for the others"
		}
	}
	return "there"
}

// report is that of all shards of a run until now.
func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, "text/html; charset=utf-8", func(out io.Writer, res *harness.Result) error { return report.HTML(out, res) })
}

// result is what all shards of a run have measured until now, as a result.json.
func (s *Server) result(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, "application/json", func(out io.Writer, res *harness.Result) error { return res.Write(out) })
}

// serve answers with what is made of the shards of a run until now.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, kind string, write func(io.Writer, *harness.Result) error) {
	s.mu.Lock()
	var res *harness.Result
	of, err := s.runs[r.URL.Query().Get("run")], error(nil)
	if of != nil {
		res, err = of.result()
	}
	s.mu.Unlock()
	if of == nil {
		http.Error(w, "there is no such run", http.StatusNotFound)
		return
	}
	var body bytes.Buffer
	if err == nil {
		err = write(&body, res)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	_, _ = body.WriteTo(w)
}
