package ratelimit_test

import (
	"testing"

	"github.com/sluiceapi/sluice/policy/ratelimit"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	for name, block := range map[string]string{
		"token bucket": "rate_limit: 100000/s",
		"fixed window": "rate_limit: {rate: 100000/s, algorithm: fixed_window, by: [client_ip, header.content-type]}",
		"dry run":      "rate_limit: {rate: 1/h, dry_run: true}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sluicetest.Policy(t, sluicetest.PolicyCase{Kind: ratelimit.Kind, Block: block})
		})
	}
}
