package sluicetest

import (
	"slices"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/server"
	"github.com/sluiceapi/sluice/sluicetest/battery"
)

// Proxy holds an engine and the backend `http`, which is given as its kind, to every case of package battery about what
// passes through a node: the bytes that a service is sent, those that a client gets, and what becomes of answers that
// are not HTTP. known are the names of cases that are known to fail: it is an error when one of them does not.
func Proxy(t *testing.T, start EngineStart, kind sluice.Kind, known ...string) {
	origin, err := battery.NewOrigin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(origin.Close)
	var nodes build.Switch
	nodes.Swap(Node(t, battery.ProxyConfig(origin.Address()), kind))
	n := start(t, &nodes, engineLimits, server.Drain{})
	p := &battery.Proxy{Address: n.Address, Origin: origin, NetHTTP: n.Lax, Splits: 40}
	failed := map[string]bool{}
	for _, part := range []struct {
		name string
		run  func(*testing.T) *battery.Report
	}{
		{"requests", func(t *testing.T) *battery.Report { return p.Forward(t.Context()) }},
		{"answers", func(t *testing.T) *battery.Report { return p.Backward(t.Context()) }},
		{"refusals", func(t *testing.T) *battery.Report { return p.Refusals(t.Context()) }},
		{"HTTP/2", func(t *testing.T) *battery.Report { return p.Downgrade(t.Context()) }},
		{"hostile answers", func(t *testing.T) *battery.Report { return p.Hostile(t.Context()) }},
	} {
		t.Run(part.name, func(t *testing.T) {
			report := part.run(t)
			for _, f := range report.Faults {
				if failed[f.Case] = true; !slices.Contains(known, f.Case) {
					t.Error(f)
				}
			}
			t.Logf("%d cases, sent %d times; %d are answered otherwise by net/http, and are known", report.Cases, report.Sent, report.Marked)
		})
	}
	for _, name := range known {
		if !failed[name] {
			t.Errorf("%s: known to fail, and does not", name)
		}
	}
}
