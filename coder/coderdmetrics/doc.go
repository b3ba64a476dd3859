// Package coderdmetrics makes a small set of named series of the metrics that
// coderd has of itself: how many cores and how much memory each replica uses,
// what its API and its database take, how long jobs wait for a provisioner, what
// its relay drops, and so on.
//
//	watcher, err := coderdmetrics.New(coderdmetrics.Config{Client: client})
//	…
//	defer watcher.Close()
//	for range time.Tick(5 * time.Second) {
//		reading, err := watcher.Scrape(ctx)
//		…
//	}
//
// # Where they come from
//
// Coder serves its metrics in two ways. Each replica has an address for
// Prometheus, where CODER_PROMETHEUS_ENABLE is set: Config.URLs. And newer
// servers answer GET /api/v2/debug/metrics with an owner's token, by which one
// needs nothing but the access URL. Behind a load balancer the latter is answered
// by any of the replicas. They are told apart by when their processes began, so
// that what one has counted is not subtracted from what another has.
//
// The deployment's own report on its health is read with it, from time to time.
//
// # Names
//
// A series has a name, such as "cpu", and whose it is: a replica, a path of the
// API, a query of the database; or nothing for the whole. [Describe] lists them
// all. Units are cores, bytes, seconds, things a second ("1/s"), seconds of
// something in each second ("seconds/s", which is how many of them were under way
// on average), and shares from 0 to 1. Things that are counted have no unit.
//
// What is counted becomes a rate over the time since the replica was last seen,
// and so the first scrape has no rates. Percentiles are of what came since then
// too, as exact as the server's buckets: linear inside of one, and in the last one,
// which has no end, the highest limit that there is. They are lower bounds then.
//
// # What it costs
//
// A scrape of a big deployment has tens of megabytes, nearly all of them about
// single workspaces. It is read as it comes: lines that no series needs are passed
// over, and what is kept is parsed a megabyte at a time. A path or query that has
// not been among those that take most of the time has no series.
package coderdmetrics
