// Package report writes results of package harness in the formats that other
// programs read. It knows nothing but the results, so it does for a file of
// yesterday what it does for a run that has just ended:
//
//	res, err := harness.ReadResult("result.json")
//	if err != nil {
//		return err
//	}
//	return report.Markdown(os.Stdout, res)
//
// [JSON] has the keys that scripts around Coder's own utility read, [CSV] is for
// spreadsheets, [JUnit] for continuous integration, [Markdown] for people who
// review, and [Bench] for benchstat. Where several results are taken, their
// order is kept. Errors are those of the writer.
package report
