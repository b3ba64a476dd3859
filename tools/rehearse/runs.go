package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// withCollector lets the shards meet, takes the collector away from them in mid-load,
// and checks what another one makes of it, and that the cleanup finds what they have
// left.
func withCollector(ctx context.Context, r *rehearsal) error {
	cleanup, _, err := r.pod(ctx, "scaletest-cleanup", -1)
	if err != nil {
		return err
	}
	// Ports of this machine may be taken, so it listens at any.
	first, lines, err := r.pod(ctx, "scaletest-collector", -1, "-listen=127.0.0.1:0")
	if err != nil {
		return err
	}
	address, ok := upTo(lines, "CODER_SCALETEST_COLLECTOR=")
	if !ok {
		return fmt.Errorf("the collector does not say where it is: %w", first.wait())
	}
	r.cluster["http://scaletest-collector:21113"] = address
	if err := answers(ctx, address+"/healthz", ""); err != nil {
		return err
	}
	shards := make(chan error, 1)
	go func() { shards <- r.shards(ctx, nil) }()
	for answers(ctx, address+"/", "in TestTerminals") != nil {
		select {
		case err := <-shards:
			return fmt.Errorf("the shards end before the collector has heard of a load: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	_ = first.cmd.Process.Kill() // if it has ended, there is no other to take its place
	_ = first.wait()
	collector, lines, err := r.pod(ctx, "scaletest-collector", -1, "-listen="+strings.TrimPrefix(address, "http://"), "-linger=3s")
	if err != nil {
		return err
	}
	if err := <-shards; err != nil {
		return err
	}
	if _, ok := upTo(lines, "the reports are at "); !ok {
		return fmt.Errorf("the collector does not keep the reports: %w", collector.wait())
	}
	if err := answers(ctx, address+"/report?run=TestTerminals", "</html>"); err != nil {
		return err
	}
	_ = collector.cmd.Process.Signal(syscall.SIGTERM) // if it has ended, that is seen now
	if err := collector.wait(); err != nil {
		return err
	}
	n := int(*r.objs.Load().Spec.Completions)
	for name, users := range map[string]int{"TestTerminals": workspaces, "TestCreateUsers": 7} {
		res, err := readResult(r.dir, "scaletest-collector-*/results/*/"+name+"/result.json")
		if err != nil {
			return err
		}
		if err := res.is("pass", n, users); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := cleanup.wait(); err != nil {
		return err
	}
	if said := cleanup.tail(); !strings.Contains(said, "\n7 deleted, 0 orphaned, 0 left\n") {
		return fmt.Errorf("the cleanup did not delete the 7 users that were left: it says\n%s", said)
	}
	return nil
}

// onVolume lets the shards begin at an instant, kills one, and checks that the merge
// says so, and that the cleanup comes to its end. Then it does another test on the same
// volume, which has to pass, and to leave the result of the first one alone.
func onVolume(ctx context.Context, r *rehearsal) error {
	load := r.objs.Load()
	first, says, err := r.volumeRun(ctx, 1)
	if err != nil {
		return err
	}
	if err := first.is("invalid", int(*load.Spec.Completions), workspaces); err != nil {
		return err
	}
	if !strings.Contains(says, "is failed\n") || !strings.Contains(says, "nothing to do: ") {
		return fmt.Errorf("the cleanup does not know that the Job has failed and left nothing: it says\n%s", says)
	}
	r.again()
	load.Spec.Template.Spec.Containers[0].Args[0] = "-test.run=^TestSSH$"
	second, says, err := r.volumeRun(ctx, -1)
	if err != nil {
		return fmt.Errorf("the second run: %w", err)
	}
	if err := second.is("pass", int(*load.Spec.Completions), workspaces); err != nil {
		return fmt.Errorf("the second run: %w", err)
	}
	if !strings.Contains(says, "is complete\n") {
		return fmt.Errorf("the cleanup of the second run does not know that the Job is complete: it says\n%s", says)
	}
	if kept, err := filepath.Glob(filepath.Join(r.dir, "scaletest-results/*/result.json")); err != nil || len(kept) != 2 {
		return fmt.Errorf("the volume has the results %q after two runs, want both (%v)", kept, err)
	}
	return nil
}

// volumeRun is one run on the volume, a shard of which is killed in mid-load unless it
// is -1. It returns the merged result, and what the cleanup says.
func (r *rehearsal) volumeRun(ctx context.Context, kill int) (res result, says string, err error) {
	cleanup, _, err := r.pod(ctx, "scaletest-cleanup", -1)
	if err != nil {
		return res, "", err
	}
	merge, _, err := r.pod(ctx, "scaletest-merge", -1)
	if err != nil {
		return res, "", err
	}
	at := time.Now().Add(6 * time.Second).UTC().Truncate(time.Second)
	r.byHand["scaletest-start/CODER_SCALETEST_START_AT"] = at.Format(time.RFC3339)
	killed := map[int]time.Time{}
	if kill >= 0 {
		killed[kill] = at.Add(2 * time.Second) // in the middle of the load, which takes 4 s
	}
	if err := r.shards(ctx, killed); err != nil {
		return res, "", err
	}
	switch err := merge.wait(); {
	case kill >= 0 && err == nil:
		return res, "", errors.New("the merge does not fail, though a shard was killed")
	case kill < 0 && err != nil:
		return res, "", err
	}
	uid := r.uids[r.objs.Load().Name]
	if res, err = readResult(r.dir, "scaletest-results/"+uid+"/result.json"); err != nil {
		return res, "", fmt.Errorf("%w: the merge says\n%s", err, merge.tail())
	}
	if err := cleanup.wait(); err != nil {
		return res, "", err
	}
	return res, cleanup.tail(), nil
}

// shards runs all of them, and kills some at an instant. The others have to end well.
func (r *rehearsal) shards(ctx context.Context, killed map[int]time.Time) error {
	errs := make([]error, *r.objs.Load().Spec.Completions)
	var wg sync.WaitGroup
	for i := range errs {
		shard, _, err := r.pod(ctx, r.objs.Load().Name, i)
		if err != nil {
			return err
		}
		wg.Go(func() {
			at, kill := killed[i]
			if kill {
				select {
				case <-time.After(time.Until(at)):
				case <-ctx.Done():
				}
				_ = shard.cmd.Process.Kill() // it may have ended, which is seen below
			}
			err := shard.wait()
			r.api.ended(i, err == nil)
			switch {
			case kill && err == nil:
				errs[i] = fmt.Errorf("%s ended before it was killed", shard.name)
			case !kill:
				errs[i] = err
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// upTo reads lines until one begins so, and returns its rest.
func upTo(lines *bufio.Scanner, begins string) (rest string, ok bool) {
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), begins); ok {
			return rest, true
		}
	}
	return "", false
}

// answers holds a page to being there.
func answers(ctx context.Context, url, with string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !strings.Contains(string(body), with)) {
		err = fmt.Errorf("%s answers %s, without %q", url, resp.Status, with)
	}
	return err
}

// result is what is looked at of a result.json.
type result struct {
	Verdict   string     `json:"verdict"`
	Reasons   []string   `json:"reasons"`
	Shards    []struct{} `json:"shards"`
	Scenarios []struct {
		Name  string `json:"name"`
		Users int    `json:"users"`
	} `json:"scenarios"`
}

// readResult reads the only file that one of the patterns finds in dir.
func readResult(dir string, patterns ...string) (res result, err error) {
	var found []string
	for _, p := range patterns {
		files, err := filepath.Glob(filepath.Join(dir, p))
		if err != nil {
			return res, err
		}
		found = append(found, files...)
	}
	if len(found) != 1 {
		return res, fmt.Errorf("there are %d files %s, want one", len(found), strings.Join(patterns, " or "))
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		return res, err
	}
	if err := json.Unmarshal(text, &res); err != nil {
		return res, fmt.Errorf("%s: %w", found[0], err)
	}
	return res, nil
}

// is holds a result to a verdict, and to as many users as one process would have.
func (r result) is(verdict string, shards, users int) error {
	if r.Verdict != verdict || len(r.Shards) != shards || len(r.Scenarios) != 1 || r.Scenarios[0].Users != users {
		return fmt.Errorf("want the verdict %s, of %d shards with %d users in all: got %+v", verdict, shards, users, r)
	}
	return nil
}
