// Package ledger keeps on disk what a process is about to create elsewhere, so
// that whatever a process leaves behind when it is killed can be found and
// deleted.
//
//	l, err := ledger.Create(dir, ledger.Header{Target: "https://coder.example.com"})
//	…
//	if err := l.Intend(ctx, run, "workspace", "alice/w-1"); err != nil {
//		return err // it is not on disk, so nothing may be created
//	}
//	id, err := create("alice/w-1")
//	l.Made(run, "workspace", "alice/w-1", id)
//	…
//	l.Gone(run, "workspace", "alice/w-1") // once it is deleted
//
// [Ledger.Intend] returns when the intention has reached the disk. All who wait
// at the same time share one write: group commit. [Read] and [List] tell what is
// left, [Resume] lets whoever deletes it write so.
//
// A ledger is a file of lines, each a JSON object. It holds kinds, names and
// IDs, and never a secret. Kinds are the caller's words. The file of a ledger in
// which nothing is left is removed when it is closed.
package ledger
