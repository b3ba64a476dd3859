// Package runners holds what one simulated person or workspace does to a Coder
// deployment. Each runner is a harness.Runner; a function such as [Terminal]
// makes them for all users of a scenario:
//
//	harness.Scenario{
//		Name:     "terminals",
//		Runner:   runners.Terminal(workspaces, traffic.Constant(4*traffic.KiB, 100*time.Millisecond)),
//		Schedule: harness.AllAtOnce(200).Hold(time.Minute),
//	}
//
// The functions are short forms of a config, such as [TerminalConfig], whose
// Runner method returns the same. The config's doc comment says what one of them
// does, which metrics it records, and what its cleanup removes.
//
// # Which there are
//
//   - [CreateUsers] and [CreateWorkspaces] create; the other ones use what is there.
//   - [Terminal], [SSH] and [App] send a load to a workspace and compare its echo.
//   - [Tunnel] holds a connection to a port of a workspace.
//   - [Dashboard] is a person at the web UI, [API] a mix of calls.
//   - [Build] and [Autostart] build workspaces, [Watch] looks on.
//   - [Agents] are at the other end: what workspaces have instead of a machine.
//
// # Connections
//
// Terminals, SSH with a load, sockets to apps, TCP tunnels, watches, the dashboard's
// sockets and simulated agents last. What becomes of them is in the result's
// harness.Connections, in the threshold metric "disconnects", and in what a
// harness.Disruption does; terminals, SSH and apps also account for the bytes that
// each lost, and got twice.
//
// # Targets
//
// A [Workspace] is reached by a client, a [Person] has one. [Range], [Cut] and
// [Slices] cut lists of either into parts. The order of a list is its maker's:
// the root package gives a stable one, by creation and then by ID.
//
// # What is created
//
// Names are scaletest-<run>-<n>, and addresses end in [EmailDomain]. With a
// [Ledger], the intention is on disk before a request that creates goes out.
package runners
