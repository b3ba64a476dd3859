// Package collector is where the shards of a run meet, and where what they measure
// comes together: a [Server] that is told how many there are, and a [Client] in each
// of them.
//
// Shards meet at points that they name. A point lets everybody go on at one instant
// once all have come. What they stream while they run is kept in files, as they come
// in, so that of a process that is killed no more than the last second is lost. When
// all have ended, or are given up, their results are merged.
//
//	server, err := collector.New(collector.Config{Shards: 3, Dir: "results"})
//	go http.Serve(listener, server)
//	...
//	runs, err := server.Wait(ctx)
//
// The protocol is HTTP/1.1 and JSON:
//
//	POST /v1/meet    {"run_id", "shard", "process", "point", "fingerprint", "lenient"}
//	                 200 {"in": 2.9}       begin in so many seconds
//	                 202 {"missing": [..]} ask again
//	                 409 {"error": ".."}   there is nothing to wait for
//	POST /v1/alive   {"run_id", "shard", "process", "leaves"}   said every few seconds
//	POST /v1/stream?run_id=&shard=&process=&name=&offset=[&last=true]
//	                 the bytes of stream.ndjson from offset on; answers {"size": ..}
//	GET  /           what is known of each shard, for people
//	GET  /report?run=NAME   the report of all until now
//	GET  /result?run=NAME   the same as a result.json
//	GET  /healthz
//
// A process that would be a shard which another one is already is refused (409): it
// would load the same targets. Nobody is asked who they are: let nobody else reach it.
//
// Instants are told as time to wait, not by a clock: the answers go out at once to
// all who wait, so the shards begin as far apart as the network's one-way times.
package collector
