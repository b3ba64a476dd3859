package harnesstest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func operations(whats ...string) (ops []operation) {
	for i, what := range whats {
		ops = append(ops, operation{number: i + 1, what: what})
	}
	return ops
}

func TestTheFirstTheLastAndOneOfEachKindAreAmongThePoints(t *testing.T) {
	for _, tt := range []struct {
		ops  []operation
		n    int
		want []int
	}{
		{nil, 3, nil},
		{operations("a"), 3, []int{1}},
		{operations("a", "b"), 1, []int{1}},
		{operations("a", "a", "a", "a", "b", "b", "a"), 3, []int{1, 5, 7}},
		{operations("a", "a", "a", "a", "a"), 2, []int{1, 5}},
		{operations("a", "a", "a", "a", "a"), 9, []int{1, 2, 3, 4, 5}},
		{operations("a", "b", "c", "d", "e"), 3, []int{1, 3, 5}},
	} {
		require.Equal(t, tt.want, points(tt.ops, tt.n), "%d of %v", tt.n, tt.ops)
	}
}

func TestPointsAreInOrderAndNoMoreThanAskedFor(t *testing.T) {
	for total := range 40 {
		var ops []operation
		for i := range total {
			ops = append(ops, operation{number: i + 1, what: fmt.Sprint(i * i % 7)})
		}
		for n := 1; n < 45; n++ {
			got := points(ops, n)
			require.LessOrEqual(t, len(got), n)
			require.Equal(t, total > 0, len(got) > 0)
			for i, k := range got {
				require.True(t, k >= 1 && k <= total && (i == 0 || k > got[i-1]), "%v", got)
			}
			if total > 0 && n > 1 {
				require.Equal(t, 1, got[0])
				require.Equal(t, total, got[len(got)-1])
			}
		}
	}
}
