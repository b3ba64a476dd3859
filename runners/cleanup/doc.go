// Package cleanup deletes what scale tests have made: workspaces, then users,
// then sessions. It goes on after a failure and says what is left.
//
// [DeleteWorkspace] and [DeleteUser] delete one thing, whatever state it is in.
// A [Plan] is a list of what to delete: [FromRecord] makes it from a ledger, so
// that nothing else is touched, and [All] from what carries the names of scale
// tests. Each can be repeated: what is gone already is fine.
//
// Prebuilt workspaces are never deleted. They belong to the deployment.
package cleanup
