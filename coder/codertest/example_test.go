package codertest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"golang.org/x/crypto/ssh"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
)

// A deployment with three workspaces, asked by plain net/http.
func Example() {
	server, err := codertest.New(codertest.Config{Workspaces: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	req, err := http.NewRequest(http.MethodGet, server.URL()+"/api/v2/workspaces?q=owner:me&limit=2", http.NoBody)
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("Coder-Session-Token", server.OwnerToken())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	var page struct {
		Count      int `json:"count"`
		Workspaces []struct {
			Name  string `json:"name"`
			Build struct {
				Status string `json:"status"`
			} `json:"latest_build"`
		} `json:"workspaces"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(page.Count, "workspaces")
	for _, w := range page.Workspaces {
		fmt.Println(w.Name, "is", w.Build.Status)
	}
	// Output:
	// 3 workspaces
	// scaletest-0 is running
	// scaletest-1 is running
}

// A command over SSH, without a tailnet.
func ExampleServer_DialAgent() {
	ctx := context.Background()
	output, err := func() ([]byte, error) {
		server, err := codertest.New(codertest.Config{Workspaces: 1})
		if err != nil {
			return nil, err
		}
		defer server.Close()
		client, err := coder.New(coder.Config{URL: server.URL(), Token: server.OwnerToken()})
		if err != nil {
			return nil, err
		}
		defer client.CloseIdleConnections()
		workspace, err := client.WorkspaceByOwnerAndName(ctx, "me", "scaletest-0")
		if err != nil {
			return nil, err
		}
		conn, err := server.DialAgent(ctx, workspace.Agents()[0].ID, 22)
		if err != nil {
			return nil, err
		}
		c, channels, requests, err := ssh.NewClientConn(conn, workspace.Name, &ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()})
		if err != nil {
			return nil, err
		}
		session, err := ssh.NewClient(c, channels, requests).NewSession()
		if err != nil {
			return nil, err
		}
		return session.Output("head -c 3 /dev/zero; echo done")
	}()
	fmt.Printf("%q %v\n", output, err)
	// Output: "\x00\x00\x00done\n" <nil>
}

// A mistake in a configuration is reported with all the others.
func ExampleConfig_Validate() {
	cfg := codertest.Config{
		BuildFailureRate: 20,
		Routes:           []codertest.RouteFault{{Path: "api/v2/workspaces", ErrorRate: 0.1}},
	}
	fmt.Println(cfg.Validate())
	// Output:
	// BuildFailureRate is 20, want 0 to 1
	// Routes[0]: Path is "api/v2/workspaces", want it to begin with /
}
