package cleanup_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness/ledger"
	"github.com/coderscale/scaletest/runners/cleanup"
)

// Delete what a process has left behind, and note what is gone.
func ExampleFromRecord() {
	ctx := context.Background()
	client, err := coder.New(coder.Config{URL: os.Getenv("CODER_URL"), Token: os.Getenv("CODER_SESSION_TOKEN")})
	if err != nil {
		log.Fatal(err)
	}
	record, err := ledger.Read("ledger-20261123T090000.000Z-abcdefgh.ndjson")
	if err != nil {
		log.Fatal(err)
	}
	plan, err := cleanup.FromRecord(ctx, client, record, cleanup.RecordOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("to delete:", plan)

	book, err := ledger.Resume(record.Path)
	if err != nil {
		log.Fatal(err)
	}
	report := plan.Run(ctx, client, cleanup.RunConfig{AtATime: 10, JobTimeout: 5 * time.Minute, Ledger: book})
	if err := book.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(report)
	for _, left := range report.Left {
		fmt.Println(left)
	}
}
