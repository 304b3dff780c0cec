//go:build !race

package observe_test

const raceDetector = false
