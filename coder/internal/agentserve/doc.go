// Package agentserve is what an agent serves inside the tailnet: SSH on ports 1
// and 22, terminals on port 2, and web apps at their ports. The programs are
// played by package shell; no process is started.
//
// The terminal protocol of port 2 is a length (uint16, little endian), as many
// bytes of JSON {ID,Height,Width,Command,…}, and then JSON objects with what is
// typed against raw output. A terminal outlives its connections by five minutes and
// repeats the last 64 KiB to whoever comes back, as agents do without screen.
package agentserve
