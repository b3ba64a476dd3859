package codertest

import (
	"fmt"
	"strings"
	"time"

	"github.com/coderscale/scaletest/coder/internal/agentpb"
)

const (
	// longestValue is how much of a value is kept, and of an error.
	longestValue = 2048
	// longestKeys is how long the keys of a call may be together.
	longestKeys = 6144
	// fullBatch is how many values are collected before they show.
	fullBatch = 500
)

// declared is the metadata that the template has the agent collect.
func (a *agent) declared() []metadataDescriptionJSON {
	if a.sub != nil {
		return nil
	}
	n := a.build.version.items
	if !a.build.version.external {
		return []metadataDescriptionJSON{{"CPU Usage", "0_cpu_usage", "echo 1", int(metadataInterval / time.Second), 2}}
	}
	var out []metadataDescriptionJSON
	for i := range n {
		number := fmt.Sprintf("%02d", i)
		out = append(out, metadataDescriptionJSON{"Item " + number, "m" + number, "true", 1, 1})
	}
	return out
}

// metadataBatch is what has been reported and does not show yet. It is guarded by
// the state's lock.
type metadataBatch struct {
	values  map[*agent]map[string]metadataResultJSON
	n       int
	flushes bool // soon
}

func updateMetadata(x *agentSession, in *agentpb.BatchUpdateMetadataRequest) (*agentpb.BatchUpdateMetadataResponse, error) {
	x.s.stats.metadataCalls.Add(1)
	known := map[string]bool{}
	for _, d := range x.agent.declared() {
		known[d.Key] = true
	}
	t, keys := now(), 0
	for _, m := range in.Metadata {
		if keys += len(m.Key); keys > longestKeys {
			return nil, fmt.Errorf("update metadata: the keys of a call have more than %d bytes", longestKeys)
		}
		if !known[m.Key] {
			return nil, fmt.Errorf("update metadata: the template does not declare the key %q", m.Key)
		}
	}
	batch := &x.s.metadata
	if batch.values == nil {
		batch.values = map[*agent]map[string]metadataResultJSON{}
	}
	for _, m := range in.Metadata {
		values := batch.values[x.agent]
		if values == nil {
			values = map[string]metadataResultJSON{}
			batch.values[x.agent] = values
		}
		if _, again := values[m.Key]; !again {
			batch.n++
		}
		values[m.Key] = x.s.metadataResult(m.GetResult(), t)
	}
	switch {
	case x.s.as.rawMetadata || batch.n >= fullBatch:
		x.s.flushMetadata()
	case !batch.flushes && batch.n > 0:
		batch.flushes = true
		x.s.after(x.s.cfg.MetadataFlush, x.s.flushMetadata)
	}
	return &agentpb.BatchUpdateMetadataResponse{}, nil
}

// metadataResult is what is kept of a result.
func (s *Server) metadataResult(r *agentpb.WorkspaceAgentMetadata_Result, t time.Time) metadataResultJSON {
	out := metadataResultJSON{CollectedAt: t, Value: r.GetValue(), Error: r.GetError()}
	if !s.as.rawMetadata {
		out.Value, out.Error = strings.TrimSpace(out.Value), strings.TrimSpace(out.Error)
	}
	if n := len(out.Value); n > longestValue {
		out.Value = out.Value[:longestValue]
		out.Error = fmt.Sprintf("value of %d bytes exceeded %d bytes", n, longestValue)
	}
	out.Error = out.Error[:min(len(out.Error), longestValue)]
	return out
}

// flushMetadata shows what was collected. It is called with the lock held.
func (s *Server) flushMetadata() {
	batch := &s.metadata
	for a, values := range batch.values {
		if a.live.metadata == nil {
			a.live.metadata = map[string]metadataResultJSON{}
		}
		for k, v := range values {
			a.live.metadata[k] = v
		}
		a.live.collected.fire()
	}
	*batch = metadataBatch{}
}

// liveMetadata is what an agent has reported, and a channel that is closed when
// there is more.
func (s *Server) liveMetadata(a *agent, t time.Time) ([]agentMetadataJSON, <-chan struct{}) {
	changed := a.live.collected.wait()
	out := []agentMetadataJSON{}
	for _, d := range a.declared() {
		r := a.live.metadata[d.Key]
		if !r.CollectedAt.IsZero() {
			r.Age = int(t.Sub(r.CollectedAt) / time.Second)
		}
		out = append(out, agentMetadataJSON{r, d})
	}
	return out, changed
}
