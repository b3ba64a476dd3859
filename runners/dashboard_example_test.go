package runners_test

import (
	"context"
	"fmt"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// Twenty people at the dashboard of an embedded deployment, who click about every
// half a second for two seconds.
func ExampleDashboard() {
	server, err := codertest.New(codertest.Config{Workspaces: 3, RateLimit: -1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	ctx := context.Background()
	client, err := coder.New(coder.Config{URL: server.URL(), Token: server.OwnerToken()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseIdleConnections()
	user, err := client.User(ctx, coder.Me)
	if err != nil {
		fmt.Println(err)
		return
	}

	dashboard := runners.DashboardConfig{
		People:   []runners.Person{{Client: client, User: user}},
		Share:    true, // all of them are the same person, for want of others
		Interval: 500 * time.Millisecond,
	}
	run, err := harness.Start(ctx, harness.Plan{Scenarios: []harness.Scenario{{
		Name:     "dashboard",
		Runner:   dashboard.Runner(),
		Schedule: harness.AllAtOnce(20).Hold(2 * time.Second),
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	people := run.Wait().Scenarios[0]
	fmt.Println("signed in:", people.Actions["page_sign_in"].Count)
	fmt.Println("pages that failed:", people.Actions["page_workspaces"].Errors+people.Actions["page_workspace"].Errors)
	fmt.Println("sockets lost:", people.Counters["sockets_lost"])
	// Output:
	// signed in: 20
	// pages that failed: 0
	// sockets lost: 0
}
