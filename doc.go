// Package scaletest runs scale tests of Coder deployments as Go tests and
// benchmarks. It joins the engine (package harness), the client of Coder's API
// (package coder) and what simulated people do (package runners) to a
// deployment: the one that CODER_URL names, or an embedded one without it.
//
//	//go:build scaletest
//
//	func TestTerminals(t *testing.T) {
//		target := scaletest.Connect(t) // CODER_URL, or the embedded deployment
//		scaletest.Run(t, harness.Scenario{
//			Name:     "terminals",
//			Runner:   runners.Terminal(target.Workspaces(t), traffic.Constant(4*traffic.KiB, 100*time.Millisecond)),
//			Schedule: harness.AllAtOnce(200).Hold(time.Minute),
//			Thresholds: []harness.Threshold{
//				harness.P99("echo").Below(250 * time.Millisecond),
//				harness.Rate("errors").Below(0.001),
//			},
//		})
//	}
//
// [Connect] reads the environment, validates all of it at once, and checks that
// the deployment can be reached, is Coder, and takes the token; [ConnectClient]
// is for those who have a client already, such as the official SDK's. [Run] runs
// scenarios, prints a heartbeat line each second and a summary, writes
// result.json, and fails the test unless the verdict is pass. [Bench] does the
// same for a benchmark, whose lines benchstat compares. [FindLimit] searches for the
// highest load that holds.
//
// [Target.Workspaces], [Target.People] and [Target.SSHDialer] are what runners use;
// [Target.CreateUsers] and [Target.CreateWorkspaces] are what the environment says of
// things to create, with the ledger by which [Cleanup] finds them after any end.
// [Target.SimulatedAgents] are agents without machines. [RunFile] runs a scenario
// file.
//
// This is the only package of the module that reads the environment and
// handles signals: on the first interrupt the load ends gracefully and results
// are written, a second one skips straight to the results, a third one exits.
package scaletest
