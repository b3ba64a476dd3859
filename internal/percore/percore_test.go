package percore_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/internal/percore"
)

func TestPickStaysBelowTheNumberOfShards(t *testing.T) {
	var p percore.Picker
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := 1; n < 40; n++ {
				i := p.Pick(n)
				if i < 0 || i >= n {
					t.Errorf("Pick(%d) = %d", n, i)
				}
			}
		})
	}
	wg.Wait()
}

func TestPickDoesNotAllocate(t *testing.T) {
	var p percore.Picker
	require.Less(t, testing.AllocsPerRun(10_000, func() { p.Pick(4) }), 0.5)
}
