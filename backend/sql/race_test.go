//go:build race

package sql

// raceEnabled tells that pools lose some of what they are given, so allocations are not counted.
const raceEnabled = true
