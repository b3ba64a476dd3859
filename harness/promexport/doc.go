// Package promexport shows the numbers of a run to Prometheus, while it goes on.
//
//	exporter, err := promexport.New(promexport.Config{})
//	if err != nil {
//		return err
//	}
//	server, err := exporter.Serve("127.0.0.1:9095")
//	if err != nil {
//		return err
//	}
//	defer server.Close(context.Background())
//	run, err := harness.Start(ctx, harness.Plan{Scenarios: scenarios, OnSnapshot: exporter.Observe, OnPhase: exporter.Phase})
//	if err != nil {
//		return err
//	}
//	exporter.Finish(run.Wait())
//	<-exporter.Scraped() // or until you have waited long enough
//
// There is a bounded number of series for each scenario and action, however many
// users there are, and none for a user, a workspace, an address or the text of
// an error. Of a scenario's actions and counters the first [Config.MaxNames] are kept
// apart; the rest is summed up as "other". With Namespace "x" they are
//
//	x_run_info{run_id,name,verdict}                    1; the verdict is "running" until the end
//	x_phase{phase}                                     1 for the phase that the run is in: setup, baseline, load,
//	                                                   cleanup or done; 0 for the others
//	x_disruption{disruption,state}                     1 for how far it is: active, undone or recovered
//	x_users{scenario}                                  users who run an iteration now
//	x_users_ready{scenario}                            users whose setup succeeded
//	x_iterations_started_total{scenario}
//	x_iterations_total{scenario,result}                succeeded, failed or interrupted
//	x_iteration_seconds{scenario}                      response time of whole iterations
//	x_iterations_dropped_total{scenario}               meant to start, but no user was free
//	x_setup_failures_total{scenario}                   users who did not get ready
//	x_stuck_total{scenario}                            runs that ignored their end
//	x_action_seconds{scenario,phase,action}            response time: from when it was meant to start
//	x_action_service_seconds{scenario,phase,action}    from when it did start
//	x_action_errors_total{scenario,phase,action}
//	x_lag_seconds{scenario}                            the generator's own lateness
//	x_bytes_intended_total{scenario}, x_bytes_achieved_total{scenario}
//	x_events_intended_total{scenario}, x_events_dropped_total{scenario}
//	                                                   ticks, and those this process was too slow for
//	x_connections{scenario}                            that last and are open now; none without any
//	x_connections_lost_total{scenario}, x_connections_restored_total{scenario}
//	x_counted_total{scenario,counter}                  what runners count
//
// and Go's go_* and process_* metrics of the generator, its CPU among them. The
// phase of an action is "setup" or "load". Numbers are those of the latest snapshot, so they are at
// most a second old; there are none before the load begins. Durations are native
// histograms for a Prometheus that asks for them, and have classic buckets for
// one that does not; both are made of the run's own histograms, so a value is at
// most 0.8 % beyond its bucket. Where the plan's tracer has spans that somebody will
// see, the buckets of actions have exemplars, trace_id and span_id, in the formats
// that know them: OpenMetrics and protobuf.
package promexport
