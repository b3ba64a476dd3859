//go:build !linux

package codertest

// writeUse is not known here.
func writeUse(*exposition) {}
