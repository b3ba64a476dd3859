package main

import (
	"os"
	"slices"
	"strings"
)

// shardVariables make a process a shard. No command of this program is one, and after a
// sharded run they often are still exported.
var shardVariables = []string{
	"CODER_SCALETEST_SHARD", "CODER_SCALETEST_SHARDS", "CODER_SCALETEST_COLLECTOR", "CODER_SCALETEST_START_AT",
}

// environment is that of this process, but for what is about shards.
func environment() []string { return unsharded(os.Environ()) }

func unsharded(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(shardVariables, name)
	})
}
