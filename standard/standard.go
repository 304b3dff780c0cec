// Package standard lists the kinds of the stock binary.
package standard

import (
	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/policy/timeout"
)

// Kinds are the kinds of the stock binary: policies, then backends, each in the order of the reference.
func Kinds() []sluice.Kind {
	return []sluice.Kind{
		timeout.Kind,
	}
}
