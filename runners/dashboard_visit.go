package runners

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// visit is a person's stay at the dashboard. One goroutine waits for what is due
// next; the calls that are then made have goroutines as long as they last.
type visit struct {
	*dashboardUser
	rec    *harness.Recorder
	rng    *rand.Rand
	client *coder.Client // with the session of this visit
	header http.Header   // of it
	base   string        // the access URL, without a slash at its end

	ctx     context.Context // ends with the visit
	work    sync.WaitGroup
	wake    chan struct{} // something else is due next
	over    atomic.Bool   // the visit has ended: what fails now is its own doing
	sockets socketSet     // of the whole visit

	mu        sync.Mutex
	page      *openPage
	polls     []*poll // of the whole visit
	rights    rights
	me        coder.User
	orgs      []string
	own       []string // full names of workspaces to open
	templates []templateRef
	notBefore time.Time // until when the server has asked to wait
	ended     error     // why the visit can't go on
}

// openPage is the page that is open.
type openPage struct {
	page    Page
	polls   []*poll
	sockets socketSet
}

// templateRef names a template as URLs of the dashboard do.
type templateRef struct {
	Organization string `json:"organization_id"`
	Name         string `json:"name"`
}

func newVisit(u *dashboardUser, rec *harness.Recorder) *visit {
	rng := rec.Rand()
	if seed := u.group.cfg.Seed; seed != 0 {
		rng = rand.New(rand.NewPCG(seed, uint64(rec.User())<<32|uint64(rec.Iteration())))
	}
	v := &visit{
		dashboardUser: u, rec: rec, rng: rng,
		base: strings.TrimSuffix(u.client.URL().String(), "/"),
		wake: make(chan struct{}, 1), page: &openPage{}, me: u.person.User,
	}
	v.use(u.client)
	return v
}

// use makes the visit one with the client's session.
func (v *visit) use(c *coder.Client) {
	header := http.Header{}
	c.AuthHeader(header)
	header.Set("Accept", "application/json")
	v.client, v.header = c, header
}

// loaded is a page that is complete.
type loaded struct {
	at  time.Time
	err error
}

// run goes from page to page until the load ends.
func (v *visit) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	v.ctx = ctx
	defer func() {
		v.over.Store(true)
		cancel()
		v.leavePage(&openPage{})
		v.sockets.close()
		v.work.Wait()
	}()
	cfg := &v.group.cfg
	click := v.rec.Intended().Add(time.Duration(v.rng.Float64() * float64(cfg.Interval)))
	if cfg.Password != nil {
		turn := logins.Reserve() // of those of this address
		defer turn.Cancel()      // for others, if it has not come
		click = time.Now().Add(turn.Delay())
	}
	next := PageSignIn
	var loading chan loaded
	timer := time.NewTimer(time.Until(click))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-v.wake:
		case done := <-loading:
			loading = nil
			if next == PageSignIn {
				next, click = PageWorkspaces, done.at // where one lands
			} else {
				next, click = v.pickNext(), v.think(done.at)
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-v.rec.Done():
			if loading != nil { // the last page counts, too
				select {
				case <-loading:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		}
		if err := v.failed(); err != nil && loading == nil {
			return v.sit(err)
		}
		now := time.Now()
		if loading == nil && !now.Before(click) {
			loading = v.click(next, click, now)
		}
		due := v.firePolls(now)
		if loading == nil && (due.IsZero() || click.Before(due)) {
			due = click
		}
		if !due.IsZero() {
			timer.Reset(time.Until(due))
		}
	}
}

// think is the instant of the next click.
func (v *visit) think(from time.Time) time.Time {
	cfg := &v.group.cfg
	at := from.Add(cfg.Interval + time.Duration((2*v.rng.Float64()-1)*float64(cfg.Jitter)))
	v.mu.Lock()
	defer v.mu.Unlock()
	if at.Before(v.notBefore) {
		at = v.notBefore
	}
	return at
}

// pickNext picks a page that this person can open.
func (v *visit) pickNext() Page {
	v.mu.Lock()
	defer v.mu.Unlock()
	return pickPage(v.rng, v.group.cfg.Journey, v.offers)
}

// offers reports whether there is a link to a page. The lock is held.
func (v *visit) offers(p Page) bool {
	switch p {
	case PageWorkspace, PageTerminal:
		return len(v.own) > 0
	case PageTemplate:
		return len(v.templates) > 0
	case PageUsers:
		return v.rights.Users
	case PageDeployment:
		return v.rights.Deployment
	case PageAudit:
		return v.rights.Audit
	case PageHealth:
		return v.rights.Health
	}
	return true
}

// click leaves the page that is open and loads another one.
func (v *visit) click(page Page, wanted, now time.Time) chan loaded {
	v.group.lag.add(now.Sub(wanted))
	open := &openPage{page: page}
	v.leavePage(open)
	done := make(chan loaded, 1)
	v.work.Go(func() {
		err := v.load(v.ctx, open, wanted)
		end := time.Now()
		if !v.over.Load() {
			v.rec.Record(pageActions[page], end.Sub(wanted), end.Sub(now), err)
		}
		if err != nil {
			v.rec.Logf("page %s: %v", page, err)
		}
		done <- loaded{end, err}
	})
	return done
}

// leavePage closes what belongs to the page that is open.
func (v *visit) leavePage(next *openPage) {
	v.mu.Lock()
	old := v.page
	v.page = next
	v.mu.Unlock()
	old.sockets.close()
}

// failed is why the visit can't go on.
func (v *visit) failed() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ended
}

// end says that the visit can't go on.
func (v *visit) end(err error) {
	v.mu.Lock()
	if v.ended == nil {
		v.ended = err
	}
	v.mu.Unlock()
	v.changed()
}

// signedOut is the end of a session.
func (v *visit) signedOut(err error) {
	v.end(fmt.Errorf("the session of %s is over: %w", v.person.User.Username, err))
}

// sit returns the error when the server does not want to be left alone any more.
func (v *visit) sit(err error) error {
	v.mu.Lock()
	wait := time.Until(v.notBefore)
	v.mu.Unlock()
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-v.rec.Done():
		case <-v.ctx.Done():
		}
	}
	return err
}

// putOff keeps this person from asking for anything until the server wants.
func (v *visit) putOff(err error) {
	e, ok := errors.AsType[*coder.Error](err)
	if !ok {
		return
	}
	until := time.Now().Add(e.RetryAfter)
	v.mu.Lock()
	if until.After(v.notBefore) {
		v.notBefore = until
	}
	v.mu.Unlock()
}

// changed wakes the visit, because something else may be due next.
func (v *visit) changed() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// lagMeter measures how late clicks and polls go out.
type lagMeter struct {
	mu sync.Mutex
	h  histogram.Histogram
}

func (m *lagMeter) add(late time.Duration) {
	m.mu.Lock()
	m.h.Record(max(late, 0))
	m.mu.Unlock()
}

// Collect implements harness.Source.
func (m *lagMeter) Collect(into *harness.Collection) {
	m.mu.Lock()
	defer m.mu.Unlock()
	into.Lag(&m.h)
}
