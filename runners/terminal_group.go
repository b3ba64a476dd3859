package runners

import (
	"sync"
	"sync/atomic"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

// terminals is what the terminals of a scenario share: a pump, or two where
// some echoes can't be compared.
type terminals struct {
	cfg   TerminalConfig
	users atomic.Int64

	mu          sync.Mutex
	compared    *traffic.Pump
	notCompared *traffic.Pump
}

// pump makes the pump that is asked for when it is first needed.
func (g *terminals) pump(comparable bool, seed uint64) (*traffic.Pump, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := &g.compared
	if !comparable {
		p = &g.notCompared
	}
	if *p != nil {
		return *p, nil
	}
	var err error
	*p, err = traffic.NewPump(traffic.PumpConfig{
		Load:    g.cfg.Load,
		Payload: traffic.PayloadConfig{Seed: seed, CRLF: true},
		Encode:  coder.AppendPTYInput,
		NoEcho:  !comparable,
		Burst:   g.cfg.Burst,
		Pacer:   g.cfg.Pacer,
	})
	return *p, err
}

// leave closes the pumps behind the last user. Another run may make new ones.
func (g *terminals) leave() {
	if g.users.Add(-1) > 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range []*traffic.Pump{g.compared, g.notCompared} {
		if p != nil {
			p.Close()
		}
	}
	g.compared, g.notCompared = nil, nil
}

// Collect implements harness.Source.
func (g *terminals) Collect(c *harness.Collection) {
	g.mu.Lock()
	pumps := []*traffic.Pump{g.compared, g.notCompared}
	g.mu.Unlock()
	for _, p := range pumps {
		if p == nil {
			continue
		}
		collect(c, Echo, p.Stats())
	}
}
