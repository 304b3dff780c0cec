package sluicetest

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/battery"
)

// Battery holds an engine to every case of package battery. With TLS a case is split at few places, as each
// costs a handshake, and none is about time.
//
// known are beginnings of the names of cases that are known to fail: it is an error when none of them does.
func Battery(t *testing.T, start EngineStart, known ...string) {
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
	expected := newExpected(known)
	expected.check(t, target.Run(t.Context()))
	expected.check(t, target.Classes(t.Context()))
	expected.all(t)
}

// expected are faults that are known.
type expected map[string]int

func newExpected(known []string) expected {
	e := expected{}
	for _, name := range known {
		e[name] = 0
	}
	return e
}

// check reports the faults that are not known.
func (e expected) check(t *testing.T, report *battery.Report) {
	t.Helper()
	known := 0
	for _, f := range report.Faults {
		found := false
		for name := range e {
			if strings.HasPrefix(f.Case, name) {
				e[name]++
				found = true
			}
		}
		if found {
			known++
		} else {
			t.Error(f)
		}
	}
	t.Logf("%d cases, sent %d times; %d fail and are known to, %d are answered otherwise by net/http", report.Cases, report.Sent, known, report.Marked)
}

// all reports what is known to fail and does not.
func (e expected) all(t *testing.T) {
	t.Helper()
	for name, failed := range e {
		if failed == 0 {
			t.Errorf("%s: known to fail, and does not", name)
		}
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
