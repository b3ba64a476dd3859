package kubejob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// WaitOptions say how [Client.Wait] waits. The zero value is useful.
type WaitOptions struct {
	// Every is the time between two questions. 0 means 5 s.
	Every time.Duration

	// Appear is how long the Job may not be there yet, because what comes of one
	// kubectl apply comes in any order. 0 means 5 min.
	Appear time.Duration

	// Forbidden is how long a refusal is asked about again, because a role that was
	// given at the same time takes a moment. 0 means 1 min.
	Forbidden time.Duration

	// Say gets a line for people when there is news. Nil drops them.
	Say func(line string)
}

// Wait returns when the Job of that name is over, and its pods with it: when it is
// complete, failed, or gone, which is no error. It waits for the Job that it sees
// first, and takes another one of the same name for its end. What the API server
// can't answer is asked again, for as long as ctx lets it.
//
// A Job that never appears, and a refusal, are errors that say what to do.
func (c *Client) Wait(ctx context.Context, name string, o WaitOptions) (Job, error) {
	o.Every = cmp.Or(o.Every, 5*time.Second)
	o.Appear = cmp.Or(o.Appear, 5*time.Minute)
	o.Forbidden = cmp.Or(o.Forbidden, time.Minute)
	if o.Say == nil {
		o.Say = func(string) {}
	}
	w := waiting{c: c, name: name, o: o, began: time.Now()}
	for {
		over, err := w.look(ctx)
		if err != nil || over {
			return w.seen, err
		}
		if err := sleep(ctx, o.Every); err != nil {
			return w.seen, w.stopped(err)
		}
	}
}

// waiting is a wait that is going on.
type waiting struct {
	c     *Client
	name  string
	o     WaitOptions
	began time.Time

	seen    Job       // the last that was seen of it
	refused time.Time // since when it is
	said    string
}

// look asks once, and reports whether the Job is over.
func (w *waiting) look(ctx context.Context) (over bool, err error) {
	now, err := w.c.get(ctx, w.name)
	if err == nil && w.seen.UID != "" && now.UID != w.seen.UID {
		err = errNotThere // it is another one
	}
	no, isRefused := errors.AsType[refused](err)
	isRefused = isRefused && (no.code == http.StatusUnauthorized || no.code == http.StatusForbidden)
	if !isRefused {
		w.refused = time.Time{}
	}
	switch {
	case err == nil:
		return w.found(ctx, now)
	case ctx.Err() != nil:
		return false, w.stopped(context.Cause(ctx))
	case errors.Is(err, errNotThere) && w.seen.UID != "":
		// Its pods may still be ending: deletion takes the Job away first, unless it was
		// asked not to.
		w.seen.End, w.seen.Reason = Gone, ""
		if w.seen.Foreground && now.UID == "" {
			w.say("%s is gone, after its pods", w)
			return true, nil
		}
		w.say("%s is gone: its pods have %v to end", w, w.seen.Grace)
		return true, w.grace(ctx)
	case errors.Is(err, errNotThere):
		if time.Since(w.began) >= w.o.Appear {
			return false, fmt.Errorf("wait for %s: it was not there in %v, so that its UID is not known: %s", w, w.o.Appear, w.byHand())
		}
		w.say("%s is not there yet", w)
		return false, nil
	case isRefused:
		if w.refused.IsZero() {
			w.refused = time.Now()
		}
		if time.Since(w.refused) >= w.o.Forbidden {
			return false, fmt.Errorf("wait for %s: the API server refuses: %w: the service account needs a Role with the verb get on jobs of batch with that name; and then: %s", w, no, w.byHand())
		}
	}
	w.say("asking for %s again: %v", w, err)
	return false, nil
}

// found takes in what was seen.
func (w *waiting) found(ctx context.Context, now Job) (over bool, err error) {
	w.seen = now
	switch {
	case now.End == "":
		w.say("%s is running (UID %s)", w, now.UID)
		return false, nil
	case now.Pods > 0:
		w.say("%s is %s, %d of its pods are still ending", w, now.End, now.Pods)
		return false, nil
	case now.Pods < 0 && now.End == Failed: // as a deadline does, while they run
		w.say("%s is failed: its pods have %v to end", w, now.Grace)
		return true, w.grace(ctx)
	}
	w.say("%s is %s", w, now.End)
	return true, nil
}

// grace lets pods end of which nothing can be known.
func (w *waiting) grace(ctx context.Context) error {
	if err := sleep(ctx, w.seen.Grace); err != nil {
		return w.stopped(err)
	}
	return nil
}

func (w *waiting) stopped(cause error) error {
	return fmt.Errorf("wait for %s: stopped before it was over: %w: %s", w, cause, w.byHand())
}

// byHand is what to do when nothing will be done here.
func (w *waiting) byHand() string {
	if w.seen.UID != "" {
		return fmt.Sprintf("nothing was deleted, so do it with 'scaletest cleanup -all -run %s'", w.seen.UID)
	}
	return "nothing was deleted, so see what is left with 'scaletest cleanup -all -dry-run', and delete it with 'scaletest cleanup -all'"
}

// String names the Job.
func (w *waiting) String() string { return "Job " + w.c.namespace + "/" + w.name }

// say tells what is new.
func (w *waiting) say(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); line != w.said {
		w.said = line
		w.o.Say(line)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
