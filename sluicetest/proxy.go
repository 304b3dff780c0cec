package sluicetest

import (
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/server"
	"github.com/sluiceapi/sluice/sluicetest/battery"
)

// Proxy holds an engine and the backend `http`, which is given as its kind, to every case of package battery about what
// passes through a node: the bytes that a service is sent, those that a client gets, and what becomes of answers that
// are not HTTP. known are beginnings of the
// names of cases that are known to fail: it is an error when none of them does.
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
	expected := newExpected(known)
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
			expected.check(t, part.run(t))
		})
	}
	expected.all(t)
}
