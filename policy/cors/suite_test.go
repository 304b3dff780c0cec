package cors_test

import (
	"testing"

	"github.com/sluiceapi/sluice/policy/cors"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	sluicetest.Policy(t, sluicetest.PolicyCase{Kind: cors.Kind, Block: "cors:\n  origins: [https://shop.example.org]\n  credentials: true", Fields: []string{"origin: https://shop.example.org"}})
}
