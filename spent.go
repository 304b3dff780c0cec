//go:build !race

package sluice

// prepare and spend do nothing; see spent_race.go.
func (x *Exchange) prepare() {}

func (x *Exchange) spend() {}
