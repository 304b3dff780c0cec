package bodylimit_test

import (
	"testing"

	"github.com/sluiceapi/sluice/policy/bodylimit"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	sluicetest.Policy(t, sluicetest.PolicyCase{Kind: bodylimit.Kind, Block: "body_limit: 1KB"})
}
