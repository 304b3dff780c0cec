package headers_test

import (
	"testing"

	"github.com/sluiceapi/sluice/policy/headers"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	sluicetest.Policy(t, sluicetest.PolicyCase{Kind: headers.Kind, Block: "headers:\n  request:\n    set:\n      x-a: \"{query.q}\"\n  response:\n    remove: [x-b]"})
}
