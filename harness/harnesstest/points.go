package harnesstest

import "slices"

// points picks at most n of the operations at which something is to go wrong: the
// first and the last, the first ones of each kind, and if these are not as many,
// others, evenly.
func points(ops []operation, n int) []int {
	kinds := map[string]bool{}
	var first []int
	for _, op := range ops {
		if !kinds[op.what] || op.number == len(ops) {
			kinds[op.what] = true
			first = append(first, op.number)
		}
	}
	if len(first) >= n {
		var out []int
		for _, i := range spread(len(first), n) {
			out = append(out, first[i-1])
		}
		return out
	}
	out := append(first, spread(len(ops), n-len(first))...)
	slices.Sort(out)
	return slices.Compact(out)
}

// spread picks at most n of the numbers 1 to total, evenly: the first and the
// last are among them.
func spread(total, n int) []int {
	if total <= 0 || n <= 0 {
		return nil
	}
	n = min(n, total)
	if n == 1 {
		return []int{1}
	}
	out := make([]int, 0, n)
	for i := range n {
		out = append(out, 1+i*(total-1)/(n-1))
	}
	return out
}
