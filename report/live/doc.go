// Package live serves a page that follows a run while it goes on: the charts,
// numbers and thresholds of the report, a second at a time, and a button that
// stops the run. When the run has ended it is the report.
//
// A [Server] takes what the run streams:
//
//	page, err := live.Listen("127.0.0.1:0", live.Config{})
//	if err != nil {
//		return err
//	}
//	defer page.Close()
//	fmt.Println(page.URL())
//	run, err := harness.Start(ctx, harness.Plan{Stream: page, …})
//
// The same follows the file of a run of another process: what is appended to a
// stream.ndjson is written to the server. Nothing is computed before somebody
// looks.
package live
