package runners_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		runSink()
		return
	}
	if relay := os.Getenv(standInEnv); relay != "" {
		os.Exit(runStandIn(relay))
	}
	goleak.VerifyTestMain(m)
}
