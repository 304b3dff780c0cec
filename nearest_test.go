package sluice_test

import (
	"testing"

	"github.com/sluiceapi/sluice"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"rate", "burst", "by", "algorithm", "X-Tenant"}
	for name, want := range map[string]string{
		"rate": "rate", "brust": "burst", "Rate": "rate", "x-tenant": "X-Tenant", "alogrithm": "algorithm", "algorythms": "algorithm",
		"rte": "rate", "ratee": "rate", "bi": "by", "quantity": "", "burden": "", "": "", "xyz": "",
	} {
		if got := sluice.Nearest(name, known); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	if got := sluice.Nearest("a", nil); got != "" {
		t.Errorf("got %q", got)
	}
}
