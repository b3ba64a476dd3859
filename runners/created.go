package runners

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/coderscale/scaletest/harness"

	"github.com/coderscale/scaletest/runners/cleanup"
)

const (
	// NamePrefix begins the names of what runners create, as those of Coder's
	// own utility do: scaletest-<run>-<n>.
	NamePrefix = "scaletest-"

	// EmailDomain ends the addresses of the users that runners create.
	EmailDomain = "@scaletest.local"
)

// Kinds of what runners create, as the ledger has them.
const (
	KindUser      = cleanup.KindUser      // by name: the username
	KindWorkspace = cleanup.KindWorkspace // by name: owner/name
	KindKey       = cleanup.KindKey       // by name: username/ID, of a session of somebody who was there before
)

// Ledger keeps on disk what a run is about to create, so that a later process
// finds what a killed one has left. The one of package harness/ledger does, and
// its cleanup is in runners/cleanup. A nil Ledger keeps nothing.
type Ledger interface {
	// Intend returns when the intention is safe. Nothing is created after an
	// error.
	Intend(ctx context.Context, run, kind, name string) error

	// Made adds the ID of what was created.
	Made(run, kind, name, id string)

	// Gone says that it does not exist any more.
	Gone(run, kind, name string)
}

// noLedger stands for nil.
type noLedger struct{}

func (noLedger) Intend(context.Context, string, string, string) error { return nil }
func (noLedger) Made(string, string, string, string)                  {}
func (noLedger) Gone(string, string, string)                          {}

func orNoLedger(l Ledger) Ledger {
	if l == nil {
		return noLedger{}
	}
	return l
}

// created counts what this process has given names to: scenarios of one run
// must not give the same one twice.
var created atomic.Int64

// newName is a name that no other run has, because the run's ID is random, and no
// other of its shards, because each has numbers of its own.
func newName(rec *harness.Recorder) string {
	shard := rec.Shard()
	n := int(created.Add(1)-1)*max(shard.Of, 1) + shard.Index
	return fmt.Sprintf("%s%s-%d", NamePrefix, rec.RunID(), n)
}
