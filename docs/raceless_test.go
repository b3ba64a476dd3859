//go:build unix && !scaletest && !race

package docs_test

// raceDetector is whether this is built with it.
const raceDetector = false
