package scaletest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/ledger"
	"github.com/coderscale/scaletest/runners/cleanup"
)

// CleanupOptions say what [Cleanup] deletes. The zero value is what the ledgers
// of this machine say is left on the deployment. How many at a time and for how
// long is in [Config].
type CleanupOptions struct {
	// Run is the only run whose things are deleted, by its ID or by the UUID that
	// it was made of. "" means all.
	Run string

	// Ledger is the ledger, or the folder of ledgers, to read: also those of
	// folders below it, without following links. "" means [LedgerDir].
	Ledger string

	// All deletes what carries the names of scale tests instead, whoever made it:
	// see [cleanup.All]. Config.CleanupTemplate narrows it down, and so does Run,
	// where there is no ledger, such as that of a pod that is gone.
	All bool

	// Orphan deletes the record of a workspace that can't be deleted otherwise,
	// and leaves what it stands for.
	Orphan bool

	// Force also cleans up after a run that is still going on.
	Force bool

	// DryRun says what would be deleted and deletes nothing. Config.DryRun does
	// so too.
	DryRun bool

	// Settle is how long after a ledger's last line a request can still be on its
	// way, see [cleanup.RecordOptions].
	Settle time.Duration

	// Client deletes, instead of one for Config's URL and token. The caller keeps
	// it.
	Client *coder.Client

	// Confirm is asked before anything is deleted with All. Nil deletes.
	Confirm func(question string) error

	// Out gets lines for people. Nil drops them.
	Out io.Writer
}

func (o CleanupOptions) validate() error {
	var errs []error
	if o.All && o.Ledger != "" {
		errs = append(errs, errors.New("what carries the names of scale tests is in no ledger: want at most one of the two"))
	}
	return errors.Join(errs...)
}

// Cleanup deletes what scale tests have left on the deployment of the
// configuration: from ledgers, what their runs have made and nothing else, or
// with CleanupOptions.All everything that carries the names of scale tests. It
// can be repeated. The report says what could not be deleted; the error, why
// nothing was tried, or which ledgers or folders were not.
//
// Ledgers of other deployments, and of processes that are alive, are left alone
// and named.
func Cleanup(ctx context.Context, cfg Config, o CleanupOptions) (cleanup.Report, error) {
	if err := o.validate(); err != nil {
		return cleanup.Report{}, err
	}
	if o.Run != "" {
		run, err := harness.RunIDOf(o.Run)
		if err != nil {
			return cleanup.Report{}, err
		}
		o.Run = run
	}
	client := o.Client
	if client == nil {
		if !cfg.Live() {
			return cleanup.Report{}, errors.New("CODER_URL is not set, want the URL of the deployment to clean up: an embedded one leaves nothing behind")
		}
		var err error
		if client, err = coder.New(coder.Config{URL: cfg.URL, Token: cfg.token.reveal()}); err != nil {
			return cleanup.Report{}, err
		}
		defer client.CloseIdleConnections()
	}
	cfg.URL = client.URL().String()
	short, cancel := context.WithTimeout(ctx, time.Minute)
	found, err := client.Preflight(short, coder.PreflightOptions{})
	cancel()
	if err != nil {
		return cleanup.Report{}, err
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	r := cleaning{cfg: cfg, o: o, client: client, deployment: found.BuildInfo.DeploymentID}
	if o.All {
		return r.all(ctx)
	}
	return r.ledgers(ctx)
}

// cleaning is a cleanup of one deployment.
type cleaning struct {
	cfg        Config
	o          CleanupOptions
	client     *coder.Client
	deployment uuid.UUID
	report     cleanup.Report
	until      time.Time // when the time for all of it is over; zero before it begins
	said       time.Time // when progress was last told
}

func (r *cleaning) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.o.Out, format+"\n", args...) // who does not listen is cleaned up after all the same
}

func (r *cleaning) dryRun() bool { return r.o.DryRun || r.cfg.DryRun }

// all cleans up by names.
func (r *cleaning) all(ctx context.Context) (cleanup.Report, error) {
	p, err := cleanup.All(ctx, r.client, cleanup.AllOptions{Template: r.cfg.CleanupTemplate, Run: r.o.Run})
	if err != nil {
		return r.report, err
	}
	if p.Size() == 0 {
		if len(p.Spared) > 0 {
			r.tell(p)
		}
		r.say("nothing to do: %s has nothing to delete that carries the names of %s", r.cfg.URL, r.whose())
		return r.report, nil
	}
	r.say("on %s, with the names of %s, of whoever made it:", r.cfg.URL, r.whose())
	r.tell(p)
	if r.dryRun() {
		return r.report, nil
	}
	if r.o.Confirm != nil {
		if err := r.o.Confirm(fmt.Sprintf("Delete %s on %s?", p, r.cfg.URL)); err != nil {
			return r.report, err
		}
	}
	r.run(ctx, p, nil)
	r.tellLeft()
	return r.report, nil
}

// whose says what names are looked for.
func (r *cleaning) whose() string {
	if r.o.Run != "" {
		return "run " + r.o.Run
	}
	return "scale tests"
}

// ledgers cleans up what ledgers name.
func (r *cleaning) ledgers(ctx context.Context) (cleanup.Report, error) {
	found, err := r.records()
	if err != nil {
		return r.report, err
	}
	looked := len(found.ledgers)
	mine := slices.DeleteFunc(found.ledgers, func(rec *ledger.Record) bool { return !r.takes(rec) })
	if len(mine) == 0 {
		r.tellNothing(found.folders, looked, found.unseen == nil)
		return r.report, found.unseen
	}
	errs := []error{found.unseen}
	for _, rec := range mine {
		if ctx.Err() != nil {
			errs = append(errs, context.Cause(ctx))
			break
		}
		if err := r.ledger(ctx, rec.Path); err != nil {
			errs = append(errs, err)
		}
	}
	r.tellLeft()
	return r.report, errors.Join(errs...)
}

// tellNothing says where there is nothing, so that nobody takes a look at the wrong
// place for an all-clear.
func (r *cleaning) tellNothing(folders []string, ledgers int, everywhere bool) {
	of := ""
	if r.o.Run != "" {
		of = " of run " + r.o.Run
	}
	if everywhere {
		r.say("nothing to do: no ledger has something left%s on %s", of, r.cfg.URL)
	} else {
		r.say("nothing was found, but not all could be looked at: no ledger that was read has something left%s on %s", of, r.cfg.URL)
	}
	if len(folders) == 0 {
		r.say("looked at: no folder, as there is none at %s", or(r.o.Ledger, LedgerDir(r.cfg)))
		return
	}
	r.say("looked at: %s, in", several(ledgers, "ledger"))
	for _, f := range folders[:min(len(folders), shown)] {
		r.say("    %s", f)
	}
	if more := len(folders) - shown; more > 0 {
		r.say("    and %s", several(more, "more folder"))
	}
}

// several is a number of things.
func several(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// records reads the ledgers, the newest first. Those that can't be read are
// named, and an error if one was asked for.
func (r *cleaning) records() (ledgerSearch, error) {
	path := r.o.Ledger
	if path == "" {
		path = LedgerDir(r.cfg)
	} else if info, err := os.Stat(path); err != nil {
		return ledgerSearch{}, fmt.Errorf("find the ledger: %w", err)
	} else if !info.IsDir() {
		rec, err := ledger.Read(path)
		return ledgerSearch{folders: []string{path}, ledgers: []*ledger.Record{rec}}, err
	}
	s := findLedgers(path)
	if s.bad != nil {
		r.say("left alone: %s", oneLine(s.bad))
	}
	return s, nil
}

// takes decides about a ledger.
func (r *cleaning) takes(rec *ledger.Record) bool {
	runs := rec.Runs()
	if len(runs) == 0 && !r.dryRun() {
		// Its process ended before it had anything to note, or to take the file away.
		if empty, err := ledger.Resume(rec.Path); err == nil { // or it is alive
			_ = empty.Close() // which removes it
		}
	}
	if len(runs) == 0 || r.o.Run != "" && !slices.Contains(runs, r.o.Run) {
		return false
	}
	switch {
	case !r.sameDeployment(rec.Header):
		r.say("left alone: %s is of another deployment, %s", rec.Path, rec.Header.Target)
	case rec.Alive() && !r.o.Force:
		r.say("left alone: %s is in use, by process %d on %s or by another cleanup: wait for its end, or force it", rec.Path, rec.Header.PID, rec.Header.Host)
	default:
		return true
	}
	return false
}

// sameDeployment goes by the deployment's ID where both are known: one
// deployment can have several URLs, and one URL several deployments in turn.
func (r *cleaning) sameDeployment(h ledger.Header) bool {
	if h.TargetID != "" && r.deployment != uuid.Nil {
		return h.TargetID == r.deployment.String()
	}
	return strings.TrimRight(h.Target, "/") == r.cfg.URL
}

// ledger cleans up what one ledger names.
func (r *cleaning) ledger(ctx context.Context, path string) (err error) {
	var book *ledger.Ledger
	if !r.dryRun() {
		switch book, err = ledger.Resume(path); {
		case errors.Is(err, os.ErrNotExist):
			return nil // another cleanup has just ended
		case errors.Is(err, ledger.ErrAlive) && r.o.Force: // its process notes itself what it finds gone
		case err != nil:
			return err
		default:
			defer func() { err = errors.Join(err, book.Close()) }()
		}
	}
	rec, err := ledger.Read(path) // again, now that nobody else writes to it
	if err != nil {
		return err
	}
	runs := rec.Runs()
	if r.o.Run != "" {
		runs = []string{r.o.Run}
	}
	r.say("%s, begun %s by process %d on %s, %s:", path, rec.Header.StartedAt.Format(time.RFC3339), rec.Header.PID, rec.Header.Host, runsText(runs))
	p, err := cleanup.FromRecord(ctx, r.client, rec, cleanup.RecordOptions{Run: r.o.Run, Settle: r.o.Settle, AtATime: max(r.cfg.CleanupConcurrency, 4)})
	if err != nil {
		return err
	}
	r.tell(p)
	if !r.dryRun() {
		r.run(ctx, p, book)
	}
	return nil
}

func runsText(runs []string) string {
	if len(runs) == 1 {
		return "run " + runs[0]
	}
	return fmt.Sprintf("%d runs, %s", len(runs), strings.Join(runs[:min(len(runs), 5)], ", "))
}

// run carries out a plan.
func (r *cleaning) run(ctx context.Context, p cleanup.Plan, book *ledger.Ledger) {
	if limit := r.cfg.CleanupTimeout; limit > 0 {
		if r.until.IsZero() {
			r.until = time.Now().Add(limit)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, r.until, fmt.Errorf("the cleanup has taken %v, which is all it may: give it more time, or repeat it", limit))
		defer cancel()
	}
	cfg := cleanup.RunConfig{
		AtATime: r.cfg.CleanupConcurrency, JobTimeout: r.cfg.CleanupJobTimeout,
		Options:  cleanup.Options{Orphan: r.o.Orphan},
		Progress: r.progress,
	}
	if book != nil {
		cfg.Ledger = book
	}
	r.report.Add(p.Run(ctx, r.client, cfg))
}

// progress tells now and then how far it is, and of each orphan.
func (r *cleaning) progress(p cleanup.Progress) {
	if p.Orphaned {
		r.say("%s is orphaned: its record is gone, what it stood for is left", p.Item)
	}
	if p.Done == p.Total || time.Since(r.said) >= time.Second {
		r.said = time.Now()
		r.say("%d of %d done", p.Done, p.Total)
	}
}

// shown is how many names are told at most.
const shown = 20

// tell says what a plan is about.
func (r *cleaning) tell(p cleanup.Plan) {
	r.say("  to delete: %s", p)
	r.names(p.Items())
	if len(p.Gone) > 0 {
		r.say("  gone already: %d", len(p.Gone))
	}
	if len(p.Spared) > 0 {
		r.say("  not touched: %d", len(p.Spared))
		tellSome(r, p.Spared)
	}
}

func (r *cleaning) names(items []cleanup.Item) { tellSome(r, items) }

func (r *cleaning) tellLeft() {
	if len(r.report.Left) > 0 {
		r.say("left: %d", len(r.report.Left))
		tellSome(r, r.report.Left)
	}
}

func tellSome[T fmt.Stringer](r *cleaning, items []T) {
	for _, item := range items[:min(len(items), shown)] {
		r.say("    %s", strings.ReplaceAll(item.String(), "\n", "; "))
	}
	if more := len(items) - shown; more > 0 {
		r.say("    and %d more", more)
	}
}
