package scaletest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/coderscale/scaletest/harness/ledger"
	"github.com/coderscale/scaletest/runners"
)

// LedgerDir is the folder where ledgers are kept: CODER_SCALETEST_ARTIFACTS if
// that is set, else scaletest in the user's cache folder, else one of the user's
// own among the temporary files.
func LedgerDir(cfg Config) string {
	if cfg.Artifacts != "" {
		return cfg.Artifacts
	}
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "scaletest")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("scaletest-%d", os.Getuid()))
}

// ledgers are those of targets in use.
var ledgers struct {
	sync.Mutex
	of map[*Target]*sharedLedger
}

// sharedLedger is a ledger and how many tests use it.
type sharedLedger struct {
	*ledger.Ledger
	users int
}

// Ledger keeps on disk, in [LedgerDir], what runners are about to create on the
// target, so that [Cleanup] finds what a killed process has left behind. There
// is one for each target; it is closed when the last test that asked for it
// ends, and removed if nothing is left. It fails the test if it can't be
// written. An embedded deployment vanishes with its process: there nothing is
// kept.
func (t *Target) Ledger(tb TB) runners.Ledger {
	tb.Helper()
	if t.embedded != nil {
		return noLedger{}
	}
	ledgers.Lock()
	defer ledgers.Unlock()
	l := ledgers.of[t]
	if l == nil {
		opened, err := ledger.Create(LedgerDir(t.cfg), ledger.Header{Target: t.cfg.URL, TargetID: t.preflight.BuildInfo.DeploymentID.String()})
		if err != nil {
			tb.Fatalf("%v", err)
			return nil
		}
		if ledgers.of == nil {
			ledgers.of = map[*Target]*sharedLedger{}
		}
		l = &sharedLedger{Ledger: opened}
		ledgers.of[t] = l
	}
	l.users++
	tb.Cleanup(func() { t.releaseLedger(tb, l) })
	return l
}

func (t *Target) releaseLedger(tb TB, l *sharedLedger) {
	tb.Helper()
	ledgers.Lock()
	defer ledgers.Unlock()
	if l.users--; l.users > 0 {
		return
	}
	delete(ledgers.of, t)
	if err := l.Close(); err != nil {
		tb.Errorf("%v", err)
	}
	if rec, err := ledger.Read(l.Path()); err == nil && len(rec.Left) > 0 {
		tb.Logf("left on %s: %d, which 'scaletest cleanup -ledger %s' deletes", t.cfg.URL, len(rec.Left), l.Path())
	}
}

// noLedger keeps nothing.
type noLedger struct{}

func (noLedger) Intend(context.Context, string, string, string) error { return nil }
func (noLedger) Made(string, string, string, string)                  {}
func (noLedger) Gone(string, string, string)                          {}
