package harnesstest

import "os"

// descriptors is how many this process has open, or less than 0 when nobody knows.
func descriptors() int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(all) - 1 // one of them reads the folder
}
