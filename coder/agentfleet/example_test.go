package agentfleet_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/agentfleet"
	"github.com/coderscale/scaletest/coder/codertest"
)

// A pool of workspaces, and their agents for as long as one likes. Against a live
// deployment only the URL and the token are others.
func Example() {
	server, err := codertest.New(codertest.Config{BuildTime: codertest.Fixed(time.Millisecond)})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client, err := coder.New(coder.Config{URL: server.URL(), Token: server.OwnerToken()})
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	pool := agentfleet.Pool{Client: client, Count: 20}
	agents, err := pool.Ensure(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fleet, err := agentfleet.Start(ctx, agentfleet.Config{
		Client:   client,
		Agents:   agents,
		Metadata: agentfleet.Greedy,
		Serving:  2,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := fleet.WaitReady(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(fleet.Stats().Workspaces.Ready, "agents are ready")
	if err := fleet.Close(ctx); err != nil {
		log.Fatal(err)
	}
	if _, err := pool.Delete(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: 20 agents are ready
}

// One agent with its times, for a runner that measures them. A fleet without
// agents costs a goroutine, and many runners can share it.
func ExampleFleet_Connect() {
	server, err := codertest.New(codertest.Config{Workspaces: 1, ExternalAgents: true})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client, err := coder.New(coder.Config{URL: server.URL(), Token: server.OwnerToken()})
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	workspaces, err := client.AllWorkspaces(ctx, coder.WorkspacesQuery{})
	if err != nil {
		log.Fatal(err)
	}
	agents, err := agentfleet.FindAgents(ctx, client, workspaces)
	if err != nil {
		log.Fatal(err)
	}
	fleet, err := agentfleet.Start(ctx, agentfleet.Config{Client: client})
	if err != nil {
		log.Fatal(err)
	}
	defer fleet.Close(ctx)
	connection, err := fleet.Connect(ctx, agents[0], agentfleet.Events{
		Ready: func(took time.Duration) { fmt.Println("ready in less than a minute:", took < time.Minute) },
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := connection.Close(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: ready in less than a minute: true
}
