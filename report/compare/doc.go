// Package compare holds runs of now against runs of before: of two versions of
// what is tested, of two configurations, of yesterday and today.
//
//	comparison, err := compare.Compare(before, after, compare.Options{})
//	if err != nil {
//		return err
//	}
//	return comparison.Text(os.Stdout)
//
// One run says little: the next one differs, whatever it was of. So there are
// several of each side, and a difference counts when the Mann-Whitney U test, which
// assumes nothing about how numbers are spread, finds it less likely than Alpha to
// come from chance. The centers are medians, with their confidence intervals. That
// is package benchmath of golang.org/x/perf, and what benchstat prints. Where there
// are too few runs for the test to find anything (three of each, at the usual Alpha),
// the answer is that there are too few, and never a guess.
//
// A [Gate] is a condition such as "p99 > +10%" that a build fails on.
//
// Runs whose verdict is invalid, interrupted or error are left out, because their
// numbers say nothing about what was tested; a warning names them.
package compare
