// Package campaign drives a whole scale test: it deletes what earlier ones left,
// creates workspaces, keeps still, loads them in one way after the other or in all
// ways at once, writes the reports and deletes what it has created.
//
// It puts no load on anything itself. That does a child process, the compiled tests
// of the library, once for each step. What a campaign knows of a child is what
// anybody could know: its exit code, its last lines, and the result that it wrote.
//
//	cfg, err := campaign.ReadConfig("campaign.json")
//	c, err := campaign.Open(cfg, campaign.Means{Clean: clean})
//	defer c.Close()
//	go http.Serve(listener, c)  // the page
//	outcome := c.Run(ctx)       // a canceled ctx ends it gracefully
//
// Everything is in one folder, which one campaign at a time has for itself:
//
//	phases.json    each phase with its begin, its end and what came of it
//	report.html    all results on one page, also result.md and junit.xml
//	create/        a folder for each step: its output, its results and its ledger
//	archive/TIME/  the same of campaigns before
//
// What it tells to others, a webhook and Grafana, never holds it up.
package campaign
