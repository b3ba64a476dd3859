package runners_test

import (
	"context"
	"fmt"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

// Three web terminals, each typing 1 KiB every 50 ms for a second, against an
// embedded deployment.
func ExampleTerminal() {
	server, err := codertest.New(codertest.Config{Workspaces: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client, err := coder.New(coder.Config{URL: server.URL(), Token: server.OwnerToken()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseIdleConnections()

	all, err := client.AllWorkspaces(context.Background(), coder.WorkspacesQuery{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var workspaces []runners.Workspace
	for _, w := range all {
		workspaces = append(workspaces, runners.Workspace{Client: client, Name: w.FullName(), Agent: w.Agents()[0]})
	}

	run, err := harness.Start(context.Background(), harness.Plan{Scenarios: []harness.Scenario{{
		Name:     "terminals",
		Runner:   runners.Terminal(workspaces, traffic.Constant(traffic.KiB, 50*time.Millisecond)),
		Schedule: harness.AllAtOnce(3).Hold(time.Second),
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	terminals := run.Wait().Scenarios[0]
	fmt.Println("users:", terminals.Ready)
	fmt.Println("wrong or missing echoes:", terminals.Actions["echo"].Errors)
	fmt.Println("some came back:", terminals.Actions["echo"].Count > 30)
	// Output:
	// users: 3
	// wrong or missing echoes: 0
	// some came back: true
}
