package campaign

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDurationsHaveNoDigitsThatNobodyNeeds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 40 * time.Millisecond: "40ms", 1200 * time.Millisecond: "1s", time.Minute: "1m", 10 * time.Minute: "10m", 90 * time.Second: "1m30s",
		time.Hour: "1h", 100 * time.Hour: "100h", 61 * time.Minute: "1h1m", time.Hour + time.Second: "1h0m1s", 10 * time.Second: "10s",
	} {
		require.Equal(t, want, brief(d))
	}
}
