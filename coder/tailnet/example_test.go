package tailnet_test

import (
	"bufio"
	"context"
	"fmt"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/coder/tailnet"
)

// The SSH server of an agent, through the deployment's relay.
func Example() {
	server, err := codertest.New(codertest.Config{Workspaces: 1})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	client, err := coder.New(coder.Config{URL: server.URL(), Token: server.OwnerToken()})
	if err != nil {
		panic(err)
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	net, err := tailnet.Open(ctx, tailnet.Config{Client: client})
	if err != nil {
		panic(err)
	}
	defer net.Close()
	workspaces, err := client.AllWorkspaces(ctx, coder.WorkspacesQuery{})
	if err != nil {
		panic(err)
	}
	conn, err := net.Dial(ctx, workspaces[0].Agents()[0].ID, tailnet.PortSSH)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	banner, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		panic(err)
	}
	fmt.Println(banner[:8], "by relay", net.Stats().Relays[0].Name)
	// Output: SSH-2.0- by relay coder
}
