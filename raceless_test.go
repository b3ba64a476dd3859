//go:build !scaletest && !race

package scaletest_test

// raceDetector is whether this is built with it.
const raceDetector = false
