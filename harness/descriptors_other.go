//go:build !linux

package harness

// openDescriptors is not known here.
func openDescriptors() int { return 0 }

// descriptorLimit is not known here.
func descriptorLimit() int { return 0 }
