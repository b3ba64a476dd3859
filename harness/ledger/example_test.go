package ledger_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/coderscale/scaletest/harness/ledger"
)

// A process notes what it is about to create. A later one finds what is left.
func Example() {
	dir, err := os.MkdirTemp("", "ledgers-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	l, err := ledger.Create(dir, ledger.Header{Target: "https://coder.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"alice/one", "alice/two"} {
		if err := l.Intend(context.Background(), "run-1", "workspace", name); err != nil {
			log.Fatal(err) // it is not on disk, so it must not be created
		}
		// Create it here.
		l.Made("run-1", "workspace", name, "the ID of "+name)
	}
	l.Gone("run-1", "workspace", "alice/one") // it was deleted
	if err := l.Close(); err != nil {
		log.Fatal(err)
	}

	records, err := ledger.List(dir)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range records {
		for _, e := range r.Left {
			fmt.Println(r.Header.Target, e.Run, e.Kind, e.Name, e.ID)
		}
	}
	// Output: https://coder.example.com run-1 workspace alice/two the ID of alice/two
}
