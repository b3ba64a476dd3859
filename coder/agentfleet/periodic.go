package agentfleet

import (
	"context"
	"fmt"
	"time"

	"github.com/coderscale/scaletest/coder/internal/agentpb"
)

// due is when an agent does what next.
type due struct {
	statsEvery time.Duration
	statsAt    time.Time
	metadata   []time.Time // of the groups of the profile
	apps       []watched
	appsAt     time.Time // zero when there is nothing to report
}

// watched is an app with a health check.
type watched struct {
	id     []byte
	every  time.Duration
	health agentpb.WorkspaceApp_Health // what was reported last
}

// begin gives everything a random phase, so that agents that connect together do
// not act in step.
func (d *due) begin(a *agent, now time.Time) {
	d.statsAt = now.Add(jitter(d.statsEvery))
	if len(d.metadata) != len(a.profile.groups) {
		d.metadata = make([]time.Time, len(a.profile.groups))
	}
	for i, g := range a.profile.groups {
		d.metadata[i] = now.Add(jitter(g.every))
	}
}

// watch takes the apps whose health is to be reported. Those that were reported
// before a reconnect stay as they are.
func (d *due) watch(apps []*agentpb.WorkspaceApp) {
	if d.apps != nil {
		return
	}
	for _, app := range apps {
		check := app.GetHealthcheck()
		if app.GetExternal() || check.GetUrl() == "" || app.GetHealth() == agentpb.WorkspaceApp_DISABLED {
			continue
		}
		every := max(declared(check.GetInterval()), time.Second)
		d.apps = append(d.apps, watched{id: app.GetId(), every: every})
	}
	if len(d.apps) > 0 {
		d.appsAt = time.Now()
	}
}

// next is the earliest of all.
func (d *due) next() time.Time {
	next := d.statsAt
	for _, t := range d.metadata {
		if t.Before(next) {
			next = t
		}
	}
	if !d.appsAt.IsZero() && d.appsAt.Before(next) {
		next = d.appsAt
	}
	return next
}

// periodic does what is due. An error that the deployment answers with is counted
// and not the end of the connection.
func (a *agent) periodic(now time.Time) (time.Time, error) {
	ctx, d := a.ctx, &a.due
	for i, g := range a.profile.groups {
		if now.Before(d.metadata[i]) {
			continue
		}
		if err := a.tolerate(a.sendMetadata(ctx, g)); err != nil {
			return time.Time{}, err
		}
		d.metadata[i] = d.metadata[i].Add(g.every)
		if now := time.Now(); d.metadata[i].Before(now) { // skip what can't be kept up with
			a.fleet.counters.late.Add(1)
			d.metadata[i] = now.Add(g.every - now.Sub(d.metadata[i])%g.every)
		}
	}
	if !d.appsAt.IsZero() && !now.Before(d.appsAt) {
		if err := a.tolerate(a.reportApps(ctx)); err != nil {
			return time.Time{}, err
		}
	}
	if !now.Before(d.statsAt) {
		if err := a.tolerate(a.sendStats(ctx)); err != nil {
			return time.Time{}, err
		}
		for _, h := range a.held {
			if err := h.Drain(); err != nil {
				return time.Time{}, fmt.Errorf("the deployment ended a stream of the tailnet: %w", err)
			}
		}
		d.statsAt = time.Now().Add(d.statsEvery)
		if len(a.profile.groups) == 0 {
			a.session.Rest() // nothing else is said for a long time
		}
	}
	return d.next(), nil
}

// tolerate lets refusals of calls pass.
func (a *agent) tolerate(err error) error {
	if err != nil && refusedCall(err) {
		a.fleet.counters.note(fmt.Errorf("%s: %w", a.ref, err))
		return nil
	}
	return err
}

func (a *agent) sendMetadata(ctx context.Context, g group) error {
	size, now := a.fleet.cfg.Metadata.Bytes, time.Now()
	err := a.session.CallWith(ctx, updateMetadata.path(), func(b []byte) []byte {
		return appendMetadata(b, g.keys, size, now)
	}, &agentpb.BatchUpdateMetadataResponse{})
	a.fleet.counters.call(ctx, updateMetadata, err)
	return err
}

// sendStats reports traffic since the last report, and sessions that are open.
func (a *agent) sendStats(ctx context.Context) error {
	stats := idleStats
	if a.server != nil {
		stats = a.server.report()
	}
	return a.call(ctx, updateStats, &agentpb.UpdateStatsRequest{Stats: stats}, &agentpb.UpdateStatsResponse{})
}

// idleStats are of an agent that nobody uses: only the little that keeps a tailnet
// up.
var idleStats = &agentpb.Stats{RxPackets: 10, RxBytes: 1000, TxPackets: 10, TxBytes: 1000}

// reportApps says that apps begin, and one interval of the check later that they
// are healthy.
func (a *agent) reportApps(ctx context.Context) error {
	d, now := &a.due, time.Now()
	req := &agentpb.BatchUpdateAppHealthsRequest{}
	var next time.Time
	for i := range d.apps {
		app := &d.apps[i]
		switch app.health {
		case agentpb.WorkspaceApp_HEALTH_UNSPECIFIED:
			app.health = agentpb.WorkspaceApp_INITIALIZING
		case agentpb.WorkspaceApp_INITIALIZING:
			app.health = agentpb.WorkspaceApp_HEALTHY
		default:
			continue
		}
		req.Updates = append(req.Updates, &agentpb.BatchUpdateAppHealthsRequest_HealthUpdate{Id: app.id, Health: app.health})
		if t := now.Add(app.every); app.health != agentpb.WorkspaceApp_HEALTHY && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	d.appsAt = next
	return a.call(ctx, updateAppHealths, req, &agentpb.BatchUpdateAppHealthsResponse{})
}
