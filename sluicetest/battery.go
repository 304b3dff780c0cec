package sluicetest

import (
	"bytes"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/battery"
)

// Battery holds an engine to every case of package battery. With TLS a case is split at few places, as each
// costs a handshake, and none is about time.
func Battery(t *testing.T, start EngineStart) {
	limits := engineLimits
	limits.MaxHeader, limits.MaxBody = 8<<10, 64<<10
	e := &engineTest{start: start, limits: limits}
	e.serve(t, echo)
	target := battery.Target{Address: e.Address, TLS: e.TLS, NetHTTP: e.Lax, MaxHeader: limits.MaxHeader, MaxBody: limits.MaxBody}
	if e.Lax {
		target.Splits = 12 // net/http is the oracle, and not what is to be put to the test
	}
	if e.TLS != nil {
		target.Splits = 3
	} else {
		limits.HeaderTimeout, limits.BodyTimeout, limits.IdleTimeout = time.Second, time.Second, time.Second
		hasty := &engineTest{start: start, limits: limits}
		hasty.serve(t, echo)
		target.Hasty = hasty.Address
	}
	for _, report := range []*battery.Report{target.Run(t.Context()), target.Classes(t.Context())} {
		for _, f := range report.Faults {
			t.Error(f)
		}
		t.Logf("%d cases, sent %d times; %d are answered otherwise by net/http, and are known", report.Cases, report.Sent, report.Marked)
	}
}

// echo answers with what it has read.
func echo(x *sluice.Exchange) error {
	r := &x.Request
	body, err := r.Body.Load(1 << 30)
	if err != nil {
		return err
	}
	s := battery.Seen{Method: r.Method, Host: string(r.Host), Target: string(r.Path), Body: bytes.Clone(body),
		X: values(&r.Header, "x"), T: values(&r.Trailer, "t")}
	if len(r.Query) > 0 {
		s.Target += "?" + string(r.Query)
	}
	return reply(x, s.Echo())
}

// values are those of all fields of a name.
func values(h *sluice.Header, name string) (all []string) {
	for _, f := range h.Fields() {
		if sluice.SameToken(f.Name, name) {
			all = append(all, string(f.Value))
		}
	}
	return all
}
