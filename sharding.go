package scaletest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/collector"
)

// sharded is what a target has of being one of several processes.
type sharded struct {
	collector *collector.Client // nil without one
	leave     func()            // says no longer that this shard is there; nil without a collector

	mu    sync.Mutex
	say   func(string)   // to whoever looks at the run that waits; nil for nobody
	dealt []string       // digests of the lists of targets, in the order in which they were made
	count int            // of targets
	clock *harness.Clock // nil until it is measured
}

// join makes the target one of several, if the environment says so. It has the
// collector know from now on that this shard is there.
func (t *Target) join() {
	s := t.cfg.Sharding
	if s.Collector == nil {
		return
	}
	client := &collector.Client{URL: s.Collector.String(), RunID: s.RunID, Shard: s.Shard, Logf: func(format string, args ...any) {
		t.sharded.says(oneLine(fmt.Errorf(format, args...)))
	}}
	ctx, cancel := context.WithCancel(context.Background())
	var staying sync.WaitGroup
	staying.Go(func() { client.Stay(ctx) })
	t.sharded.collector = client
	t.sharded.leave = func() {
		cancel()
		staying.Wait()
		client.Close()
	}
}

// says tells whoever looks at the run that waits.
func (s *sharded) says(text string) {
	s.mu.Lock()
	say := s.say
	s.mu.Unlock()
	if say != nil {
		say(text)
	}
}

// deal notes a list of targets: all shards must have the same.
func (s *sharded) deal(ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := sha256.Sum256([]byte(strings.Join(ids, "\n")))
	s.dealt = append(s.dealt, string(sum[:]))
	s.count += len(ids)
}

// fingerprint is of all lists until now: how many targets, and a hash.
func (s *sharded) fingerprint() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.dealt) == 0 {
		return ""
	}
	return fmt.Sprintf("%d targets, %x", s.count, sha256.Sum256([]byte(strings.Join(s.dealt, ""))))[:32]
}

// identify is what a target is told apart by: of the embedded deployment, which each
// process has for itself, its name.
func (t *Target) identify(id fmt.Stringer, name string) string {
	if t.embedded != nil {
		return name
	}
	return id.String()
}

// cut makes the plan that of this shard.
func (t *Target) cut(plan *harness.Plan) {
	s := t.cfg.Sharding
	if s.many() {
		plan.Shard, plan.RunID, plan.Fingerprint = s.Shard, s.RunID, t.sharded.fingerprint()
	}
}

// unsharded refuses what can't be cut.
func (t *Target) unsharded(what string) error {
	s := t.cfg.Sharding
	if s.many() || s.Collector != nil {
		return fmt.Errorf("this process is %s, and %s can't be cut into shards: run it in one process, without %sSHARD, %sSHARDS and %sCOLLECTOR", s, what, prefix, prefix, prefix)
	}
	return nil
}

// used counts the names of this process' runs, so that a second one of a name is not
// taken for the first.
var used struct {
	sync.Mutex
	names map[string]int
}

func onlyName(name string) string {
	used.Lock()
	defer used.Unlock()
	if used.names == nil {
		used.names = map[string]int{}
	}
	used.names[name]++
	if n := used.names[name]; n > 1 {
		return fmt.Sprintf("%s #%d", name, n)
	}
	return name
}

// beginTogether has the plan's load begin when that of the other shards does. A
// creation of what the load needs begins at once where there is nobody to meet.
func (t *Target) beginTogether(tb TB, plan *harness.Plan, c *console) {
	ctx := tb.Context()
	s := t.cfg.Sharding
	if s.RunID != "" && plan.RunID == "" {
		plan.RunID = s.RunID
	}
	if s.many() || s.Collector != nil {
		plan.Name = onlyName(or(plan.Name, tb.Name())) // by which the collector tells runs apart
		c.printf("shard       %s of run %s\n", s.number(), s.RunID)
		plan.Clock = t.compareClocks(ctx, c)
	}
	switch {
	case plan.Gate != nil:
	case s.Collector != nil:
		fingerprint := meetingFingerprint(*plan)
		name := plan.Name
		plan.Gate = func(ctx context.Context, scenario string) (time.Time, error) {
			t.sharded.mu.Lock()
			t.sharded.say = c.say
			t.sharded.mu.Unlock()
			c.say("waiting for the other shards")
			return t.sharded.collector.Meet(ctx, strings.TrimSuffix(name+"/"+scenario, "/"), fingerprint, false)
		}
	case !s.StartAt.IsZero():
		plan.Gate = startAt(s.StartAt, plan.Clock, c)
	}
}

// meetingFingerprint is what shards must have in common before they begin.
func meetingFingerprint(plan harness.Plan) string {
	parts := []string{plan.Fingerprint}
	for _, s := range plan.Scenarios {
		parts = append(parts, fmt.Sprintf("%s: %v", s.Name, s.Schedule))
	}
	if parts[0] == "" {
		parts = parts[1:]
	}
	text := strings.Join(parts, "; ")
	return text[:min(len(text), 1000)]
}

// farthest is how far away START_AT may be when everybody is ready: what was opened
// for the load is open until then.
const farthest = 2 * time.Hour

// tooLate is how much later than at its instant a load may begin.
const tooLate = time.Second

// startAt lets the first load begin at an instant of the deployment's clock, and the
// others as soon as they can.
func startAt(at time.Time, clock *harness.Clock, c *console) harness.Gate {
	first := true
	return func(context.Context, string) (time.Time, error) {
		if !first {
			return time.Time{}, nil
		}
		first = false
		here := at
		if clock != nil {
			here = at.Add(-time.Duration(clock.Offset * float64(time.Second)))
		}
		if late := time.Since(here); late > tooLate {
			return time.Time{}, fmt.Errorf("everybody was ready %v after %sSTART_AT, which is %s: set it later; it is for one test, so name that with -run",
				late.Round(time.Second), prefix, at.Format(time.RFC3339))
		}
		if wait := time.Until(here); wait > farthest {
			return time.Time{}, fmt.Errorf("everybody is ready, and %sSTART_AT is only in %v, at %s: want at most %v, because what the load needs is open until then",
				prefix, wait.Round(time.Second), at.Format(time.RFC3339), farthest)
		}
		c.printf("waiting until %s\n", at.Format(time.RFC3339))
		return here, nil
	}
}

// compareClocks measures once how this machine's clock is off against the
// deployment's. Nil is when that can't be known, which is said.
func (t *Target) compareClocks(ctx context.Context, c *console) *harness.Clock {
	t.sharded.mu.Lock()
	defer t.sharded.mu.Unlock()
	if t.sharded.clock != nil {
		return t.sharded.clock
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var measured coder.ClockOffset
	var err error
	if measured, err = t.client.ClockOffset(ctx); err != nil {
		c.printf("clock       taken for right: %s\n", oneLine(err))
		return nil
	}
	t.sharded.clock = &harness.Clock{
		Offset: measured.Ahead.Seconds(), Uncertainty: measured.Within.Seconds(), Reference: "the Date of " + t.client.URL().String(),
	}
	c.printf("clock       %+.3f s from the deployment's (within %.3f s)\n", -t.sharded.clock.Offset, t.sharded.clock.Uncertainty)
	return t.sharded.clock
}

// sending is the stream of a run on its way to the collector.
type sending struct {
	ended chan struct{}
	done  chan error
	stop  context.CancelFunc
}

// sendTime is how long the last numbers may take. Tests shorten it.
var sendTime = time.Minute

// send sends what is written to the stream to the collector, if there is one.
func (t *Target) send(name string, stream *streamFile) (*sending, error) {
	if t.sharded.collector == nil || stream == nil {
		return nil, nil
	}
	file, err := os.Open(stream.Name())
	if err != nil {
		return nil, fmt.Errorf("send the numbers of the run: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &sending{ended: make(chan struct{}), done: make(chan error, 1), stop: cancel}
	go func() {
		err := t.sharded.collector.Send(ctx, name, file, s.ended)
		s.done <- errors.Join(err, file.Close())
	}()
	return s, nil
}

// end waits until all of it is there.
func (s *sending) end() error {
	if s == nil {
		return nil
	}
	close(s.ended)
	timer := time.AfterFunc(sendTime, s.stop)
	defer timer.Stop()
	defer s.stop()
	return <-s.done
}

// drop ends it for a run that did not begin.
func (s *sending) drop() {
	if s != nil {
		s.stop()
		<-s.done
	}
}
