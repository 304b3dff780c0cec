package ipfilter_test

import (
	"testing"

	"github.com/sluiceapi/sluice/policy/ipfilter"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	sluicetest.Policy(t, sluicetest.PolicyCase{Kind: ipfilter.Kind, Block: "ip_filter: {allow: [192.0.2.0/24, 192.0.2.7]}"})
}
