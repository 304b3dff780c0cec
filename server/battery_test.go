package server_test

import (
	"testing"

	"github.com/sluiceapi/sluice/backend/http"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestBattery(t *testing.T) {
	t.Parallel()
	sluicetest.Battery(t, starter(false, false))
}

func TestBatteryTLS(t *testing.T) {
	t.Parallel()
	sluicetest.Battery(t, starter(true, false))
}

// TestBatteryOracle holds that net/http answers otherwise just where the cases say so.
func TestBatteryOracle(t *testing.T) {
	t.Parallel()
	sluicetest.Battery(t, oracle(false))
}

func TestProxy(t *testing.T) {
	t.Parallel()
	sluicetest.Proxy(t, starter(false, false), http.Kind)
}
