//go:build !race

package build

import "github.com/sluiceapi/sluice"

// lend and lending do nothing; see lent_race.go.
func lend(*sluice.Exchange) {}

func lending(h sluice.Handler) sluice.Handler { return h }
