package compress_test

import (
	"testing"

	"github.com/sluiceapi/sluice/policy/compress"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	sluicetest.Policy(t, sluicetest.PolicyCase{Kind: compress.Kind, Block: "compress:\n  min_size: 1KB\n  level: fast\n  types: [\"text/*\"]", Fields: []string{"accept-encoding: gzip"}})
}
