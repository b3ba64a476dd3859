package campaign

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// What others may take, so that nobody waits for them.
const (
	tellTimeout = 5 * time.Second  // for one try
	tellPause   = time.Second      // before the second
	tellLast    = 10 * time.Second // for all that is left at the end
	tellAhead   = 1024             // messages that wait
	complaints  = 50               // that are kept
)

// event is something to tell.
type event struct {
	at    int    // which phase it is about
	phase Phase  // one that is Running has begun
	whole Record // the campaign at its end; its ID is empty for a phase
}

// sink is somebody who is told.
type sink interface {
	who() string // without secrets
	tell(ctx context.Context, e event) error
}

// teller tells sinks in the background, each in order.
type teller struct {
	ctx    context.Context
	cancel context.CancelFunc
	queues []chan event
	work   sync.WaitGroup

	mu       sync.Mutex
	problems []string
}

func newTeller(cfg Config, means Means, id string) *teller {
	client := &http.Client{
		Transport: means.Transport,
		// Whatever a redirect names would get the token, or the message.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t := &teller{}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	if cfg.DryRun {
		return t
	}
	if address := or(means.WebhookURL, cfg.Webhook); address != "" {
		t.add(webhook{client: client, address: address, id: id, cfg: cfg})
	}
	if cfg.Grafana != "" {
		t.add(&grafana{client: client, address: cfg.Grafana, token: means.GrafanaToken, id: id, ids: map[int]int64{}})
	}
	return t
}

func (t *teller) add(s sink) {
	queue := make(chan event, tellAhead)
	t.queues = append(t.queues, queue)
	t.work.Go(func() {
		for e := range queue {
			if err := t.twice(s, e); err != nil {
				t.complain(fmt.Sprintf("%s was not told of %s: %s", s.who(), e.about(), oneLine(err)))
			}
		}
	})
}

func (e event) about() string {
	switch {
	case e.whole.ID != "":
		return "the end"
	case e.phase.State == Running:
		return "the beginning of " + e.phase.Name
	}
	return "the end of " + e.phase.Name
}

// twice tries again what may be better the second time.
func (t *teller) twice(s sink, e event) error {
	err := t.once(s, e)
	if refused, ok := errors.AsType[statusError](err); err == nil || ok && refused < 500 && refused != http.StatusTooManyRequests {
		return err
	}
	pause := time.NewTimer(tellPause)
	defer pause.Stop()
	select {
	case <-pause.C:
		return t.once(s, e)
	case <-t.ctx.Done():
		return err
	}
}

func (t *teller) once(s sink, e event) error {
	if t.ctx.Err() != nil {
		return errors.New("the campaign has ended before")
	}
	ctx, cancel := context.WithTimeout(t.ctx, tellTimeout)
	defer cancel()
	return s.tell(ctx, e)
}

func (t *teller) send(e event) {
	for _, q := range t.queues {
		select {
		case q <- e:
		default:
			t.complain("too much waits to be told: nobody was told of " + e.about())
		}
	}
}

func (t *teller) begin(at int, p Phase) { t.send(event{at: at, phase: p}) }
func (t *teller) over(at int, p Phase)  { t.send(event{at: at, phase: p}) }
func (t *teller) end(rec Record)        { t.send(event{whole: rec}) }

// close waits for what is left to tell, but not long.
func (t *teller) close() {
	for _, q := range t.queues {
		close(q)
	}
	limit := time.AfterFunc(tellLast, t.cancel)
	t.work.Wait()
	limit.Stop()
	t.cancel()
}

func (t *teller) complain(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.problems) < complaints {
		t.problems = append(t.problems, text)
	}
}

// complained are the problems until now.
func (t *teller) complained() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.problems)
}

// statusError is an answer that is no success.
type statusError int

func (s statusError) Error() string {
	return fmt.Sprintf("it answered %d %s", int(s), http.StatusText(int(s)))
}

// exchange makes a request and reads a short answer. Its errors hold nothing of the
// address, which may be a secret.
func exchange(client *http.Client, req *http.Request) ([]byte, error) {
	resp, err := client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("it did not answer within %v", tellTimeout)
		}
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, statusError(resp.StatusCode)
	}
	return b, err
}

// hostOf is the part of an address that may be shown.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an address that can't be parsed"
	}
	return u.Host
}
