package campaign

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// lookAgain is how often it is looked whether a campaign has ended.
const lookAgain = 200 * time.Millisecond

// Stop ends the campaign that goes on in the folder of results, if there is one, and
// waits for it. Then it deletes what is left, if the strategy is on_stop or always,
// and adds that to the phases. With another strategy it says what is left, and how that
// is deleted; it is an error if the campaign was killed before the strategy could decide.
// What a killed campaign was doing is written down as interrupted. ctx bounds all of it.
func Stop(ctx context.Context, cfg Config, means Means) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if means.Clean == nil {
		return errors.New("there is nothing to clean up with: set Means.Clean")
	}
	if means.Out == nil {
		means.Out = io.Discard
	}
	dir, err := takeOver(ctx, cfg.Results, means.Out)
	if err != nil {
		return err
	}
	err = cleanAfter(ctx, cfg, means, dir)
	return errors.Join(err, dir.Close())
}

// takeOver ends whoever has the folder, and takes it.
func takeOver(ctx context.Context, path string, out io.Writer) (*folder, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	told := 0
	for {
		dir, err := hold(path)
		held, is := errors.AsType[errHeld](err)
		if !is {
			return dir, err
		}
		switch {
		case held.PID == told: // it is about to end
		case held.PID == 0 || held.PID == os.Getpid(): // it has just begun, and signs next
		case held.Host != host:
			return nil, fmt.Errorf("stop the campaign in %s: it is run by process %d on %s: stop it there", path, held.PID, held.Host)
		default:
			told = held.PID
			_, _ = fmt.Fprintf(out, "stopping the campaign of process %d\n", told) // who does not listen is stopped all the same
			if err := terminate(told); err != nil {
				return nil, fmt.Errorf("stop the campaign in %s, process %d: %w", path, told, err)
			}
		}
		pause := time.NewTimer(lookAgain)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, fmt.Errorf("stop the campaign in %s: process %d has not ended in time: repeat it, or kill it and then repeat it", path, held.PID)
		}
	}
}

// terminate asks a process to end.
func terminate(pid int) error {
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Signal(syscall.SIGTERM)
		_ = process.Release()
	}
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// cleanAfter deletes what a campaign has left, once nobody else does, or says that it is
// there.
func cleanAfter(ctx context.Context, cfg Config, means Means, dir *folder) error {
	killed, kerr := dir.interrupted(time.Now())
	if killed {
		_, _ = fmt.Fprintf(means.Out, "the campaign in %s was killed before its end\n", dir.path) // nor here, nor below
	}
	if cfg.DryRun {
		return kerr
	}
	folders, err := leftIn(dir.path)
	err = errors.Join(kerr, err)
	if len(folders) == 0 {
		return err
	}
	if s := cfg.strategy(); s != OnStop && s != Always {
		n := tellLeft(means.Out, folders)
		if killed {
			err = errors.Join(err, fmt.Errorf("%d are left: the campaign was killed before its strategy, %s, could decide: delete them with 'scaletest cleanup -ledger %s'", n, s, dir.path))
		}
		return err
	}
	p := Phase{Name: "cleanup", Title: "what was created, at the stop", Began: time.Now(), State: Running}
	p.State, p.Detail = cleanAll(ctx, cfg, means, []string{dir.path})
	p.Ended = time.Now()
	// Of a campaign that was killed the record may not be there.
	if rec, rerr := readRecord(dir.path); rerr == nil {
		rec.Phases = append(rec.Phases, p)
		err = errors.Join(err, rec.write(dir.path))
	}
	if p.State == State(harness.Error) {
		err = errors.Join(err, errors.New("clean up: "+p.Detail))
	}
	return err
}
