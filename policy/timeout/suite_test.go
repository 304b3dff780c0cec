package timeout_test

import (
	"testing"

	"github.com/sluiceapi/sluice/policy/timeout"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	sluicetest.Policy(t, sluicetest.PolicyCase{Kind: timeout.Kind, Block: "timeout: 10s"})
}
