package harness_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/peek"
)

func TestWhatIsRecordedIsSeenAtOnceAndOnlyThePartThatIsOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res := run(t, planOf(harness.OneByOne(1), fake{
			setup: func(ctx context.Context, rec *harness.Recorder) error {
				rec.Add(testBytes, 7)
				require.Equal(t, map[string]int64{"counter test_bytes": 7}, peek.Recorded(rec))
				return nil
			},
			run: func(ctx context.Context, rec *harness.Recorder) error {
				require.Empty(t, peek.Recorded(rec), "the setup is another part")
				rec.Add(testBytes, 2)
				rec.Record(work, 1, 1, nil)
				rec.Record(work, 1, 1, errBroken)
				require.Equal(t, map[string]int64{"counter test_bytes": 2, "action work": 2}, peek.Recorded(rec))
				return nil
			},
		}))
		require.EqualValues(t, 1, res.Scenarios[0].Iterations.Succeeded)
	})
}
