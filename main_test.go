package scaletest_test

import (
	"flag"
	"fmt"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.bench"); f.Value.String() != "" {
		// For tools that read benchmark lines: which way is better.
		fmt.Println("Unit p50-ns better=lower")
		fmt.Println("Unit p99-ns better=lower")
		fmt.Println("Unit MB/s better=higher")
		fmt.Println("Unit errors/op better=lower")
	}
	goleak.VerifyTestMain(m)
}
