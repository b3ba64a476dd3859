package runners_test

import (
	"context"
	"fmt"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/agentfleet"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/coder/tailnet"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

// stage is an embedded deployment for the examples: three running workspaces
// and an owner's client.
func stage() (server *codertest.Server, client *coder.Client, workspaces []runners.Workspace, leave func()) {
	server, err := codertest.New(codertest.Config{Workspaces: 3, BuildTime: codertest.Fixed(10 * time.Millisecond)})
	if err != nil {
		panic(err)
	}
	client, err = coder.New(coder.Config{URL: server.URL(), Token: server.OwnerToken()})
	if err != nil {
		panic(err)
	}
	all, err := client.AllWorkspaces(context.Background(), coder.WorkspacesQuery{})
	if err != nil {
		panic(err)
	}
	for _, w := range all {
		workspaces = append(workspaces, runners.Workspace{Client: client, Name: w.FullName(), ID: w.ID, Agent: w.Agents()[0]})
	}
	return server, client, workspaces, func() {
		client.CloseIdleConnections()
		server.Close()
	}
}

// act runs a scenario to its end.
func act(name string, runner func(user int) (harness.Runner, error), schedule harness.Schedule) *harness.ScenarioResult {
	run, err := harness.Start(context.Background(), harness.Plan{Scenarios: []harness.Scenario{{Name: name, Runner: runner, Schedule: schedule}}})
	if err != nil {
		panic(err)
	}
	return &run.Wait().Scenarios[0]
}

// Ten users, three at a time, a fifth of them template admins. They are deleted
// when the run ends.
func ExampleCreateUsersConfig() {
	_, client, _, leave := stage()
	defer leave()
	users := runners.CreateUsersConfig{Client: client, TemplateAdmins: 0.2}
	res := act("users", users.Runner(), harness.AtATime(10, 3))
	fmt.Println(res.Actions["user_create"].Count, "users with", res.Actions["user_session"].Count, "sessions")
	// Output: 10 users with 10 sessions
}

// Five workspaces of a template, each with a user of its own, two at a time.
func ExampleCreateWorkspacesConfig() {
	_, client, _, leave := stage()
	defer leave()
	templates, err := client.Templates(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	create := runners.CreateWorkspacesConfig{
		Users:      runners.CreateUsersConfig{Client: client},
		Template:   templates[0],
		Parameters: []coder.BuildParameter{{Name: "size", Value: "large"}},
		Retries:    1,
	}
	if err := create.Check(context.Background()); err != nil { // before anything is created
		fmt.Println(err)
		return
	}
	res := act("workspaces", create.Runner(), harness.AtATime(5, 2))
	fmt.Println(res.Actions["workspace_ready"].Count, "were ready")
	// Output: 5 were ready
}

// A load over SSH, echoed and compared. ToAgent takes whatever reaches agents by
// their ID; ProxyCommand{} asks Coder's own command line.
func ExampleSSH() {
	server, _, workspaces, leave := stage()
	defer leave()
	dialer := runners.ToAgent("embedded", server.DialAgent)
	load := traffic.Constant(traffic.KiB, 50*time.Millisecond)
	res := act("ssh", runners.SSH(workspaces, dialer, load), harness.AllAtOnce(3).Hold(time.Second))
	fmt.Println("wrong or missing echoes:", res.Actions["ssh_echo"].Errors)
	// Output: wrong or missing echoes: 0
}

// A tunnel to each workspace, through the deployment's relay. With a URL it is asked
// for once a second; without one the agents are asked for signs of life.
func ExampleTunnelConfig() {
	_, client, workspaces, leave := stage()
	defer leave()
	net, err := tailnet.Open(context.Background(), tailnet.Config{Client: client})
	if err != nil {
		panic(err)
	}
	defer net.Close()
	tunnel := runners.TunnelConfig{Workspaces: workspaces, Dial: net.Dial, Ping: net.Ping, Timeout: time.Minute}
	res := act("tunnel", tunnel.Runner(), harness.AllAtOnce(3).Hold(time.Second))
	fmt.Println("without a sign of life:", res.Actions["tunnel_ping"].Errors)
	// Output: without a sign of life: 0
}

// A load through the app proxy to an app that echoes WebSocket messages.
func ExampleApp() {
	server, _, workspaces, leave := stage()
	defer leave()
	load := traffic.Constant(traffic.KiB, 50*time.Millisecond)
	res := act("app", runners.App(workspaces, "wsec", load), harness.AllAtOnce(3).Hold(time.Second))
	fmt.Println("wrong or missing echoes:", res.Actions["app_echo"].Errors)
	fmt.Println("apps that saw the token:", server.AppSawSessionToken())
	// Output:
	// wrong or missing echoes: 0
	// apps that saw the token: 0
}

// A restart of all workspaces at once.
func ExampleBuild() {
	_, _, workspaces, leave := stage()
	defer leave()
	res := act("restart", runners.Build(workspaces, runners.RestartBuild), harness.AllAtOnce(3))
	fmt.Println(res.Actions["build_restart"].Count, "restarts,", res.Actions["build_run"].Count, "builds")
	// Output: 3 restarts, 6 builds
}

// Agents without machines, for a second. Package agentfleet plays them, and makes
// their workspaces; all of them share its scheduler.
func ExampleAgents() {
	_, client, _, leave := stage()
	defer leave()
	ctx := context.Background()
	agents, err := agentfleet.Pool{Client: client, Count: 5}.Ensure(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fleet, err := agentfleet.Start(ctx, agentfleet.Config{Client: client, Metadata: agentfleet.Greedy})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fleet.Close(ctx)
	connect := func(ctx context.Context, user int, on runners.AgentEvents) (runners.AgentConnection, error) {
		return fleet.Connect(ctx, agents[user], agentfleet.Events(on))
	}
	res := act("agents", runners.Agents(len(agents), connect), harness.AllAtOnce(5).Hold(time.Second))
	fmt.Println(res.Actions["agent_ready"].Count, "agents were ready,", res.Counters["agents_lost"], "lost their connection")
	// Output: 5 agents were ready, 0 lost their connection
}

// The watches that a workspace's page holds, for a second.
func ExampleWatch() {
	_, _, workspaces, leave := stage()
	defer leave()
	res := act("watch", runners.Watch(workspaces), harness.AllAtOnce(3).Hold(time.Second))
	fmt.Println("lost:", res.Counters["watches_lost"])
	// Output: lost: 0
}

// A mix of calls, 50 a second: nine lists for one workspace.
func ExampleAPI() {
	_, client, workspaces, leave := stage()
	defer leave()
	me, err := client.User(context.Background(), coder.Me)
	if err != nil {
		fmt.Println(err)
		return
	}
	api := runners.APIConfig{
		People:     []runners.Person{{Client: client, User: me}},
		Workspaces: workspaces,
		Calls: []runners.APICall{
			{Name: "list", Path: "/api/v2/workspaces?limit=25", Weight: 9},
			{Name: "one", Path: "/api/v2/workspaces/{workspace}", Weight: 1},
		},
	}
	res := act("api", api.Runner(), harness.ConstantArrivals(50, time.Second, 10))
	fmt.Println(res.Actions["api_list"].Count+res.Actions["api_one"].Count, "calls")
	// Output: 50 calls
}

// Workspaces that start by their schedule, at the same minute. It takes about
// three minutes on a real deployment.
func ExampleAutostart() {
	var workspaces []runners.Workspace // of a live deployment
	scenario := harness.Scenario{
		Name:     "autostart",
		Runner:   runners.Autostart(workspaces),
		Schedule: harness.AllAtOnce(max(len(workspaces), 1)),
		Thresholds: []harness.Threshold{
			harness.P99("autostart_ready").Below(3 * time.Minute),
		},
	}
	fmt.Println(scenario.Schedule)
	// Output: 1 user
}

// Scenarios that run side by side take consecutive slices of the targets.
func ExampleSlices() {
	targets := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	parts, err := runners.Slices(targets, 50, 30, 20)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(parts)
	// Output: [[a b c d e] [f g h] [i j]]
}
