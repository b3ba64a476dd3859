// Package trafficapps is the web apps that load tests of apps go to, wherever they
// run: in an agent that is played, and in the workspaces of the templates in
// deploy/templates.
//
//	wsec sends back what comes, message by message.
//	wsra sends random bytes and drops what comes.
//	wsdi drops what comes.
//
// Every app answers plain HTTP, too: /healthz says whether it takes connections, and
// any other request is told what arrived.
package trafficapps
