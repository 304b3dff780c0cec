package observe

import (
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

const (
	aTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	aSpan  = "00f067aa0ba902b7"
)

func TestTraceparent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text          string
		valid, sample bool
	}{
		{"00-" + aTrace + "-" + aSpan + "-01", true, true},
		{"00-" + aTrace + "-" + aSpan + "-00", true, false},
		{"00-" + aTrace + "-" + aSpan + "-02", true, false},
		{"00-" + aTrace + "-" + aSpan + "-ff", true, true},
		{"cc-" + aTrace + "-" + aSpan + "-01", true, true},
		{"cc-" + aTrace + "-" + aSpan + "-01-what-comes-then", true, true},
		{"cc-" + aTrace + "-" + aSpan + "-01.what", false, false},
		{"00-" + aTrace + "-" + aSpan + "-01-more", false, false},
		{"00-" + aTrace + "-" + aSpan + "-01 ", false, false},
		{"ff-" + aTrace + "-" + aSpan + "-01", false, false},
		{"00-" + strings.ToUpper(aTrace) + "-" + aSpan + "-01", false, false},
		{"00-" + strings.Repeat("0", 32) + "-" + aSpan + "-01", false, false},
		{"00-" + aTrace + "-" + strings.Repeat("0", 16) + "-01", false, false},
		{"00-" + aTrace + "-" + aSpan + "-0", false, false},
		{"00-" + aTrace + "-" + aSpan + "-0g", false, false},
		{"0G-" + aTrace + "-" + aSpan + "-01", false, false},
		{"00_" + aTrace + "-" + aSpan + "-01", false, false},
		{"00-" + aTrace + "_" + aSpan + "-01", false, false},
		{"00-" + aTrace + "-" + aSpan + "_01", false, false},
		{"", false, false},
	} {
		tc, ok := parseTraceparent([]byte(c.text))
		if ok != c.valid || tc.sampled != c.sample {
			t.Errorf("%q: valid %t, sampled %t", c.text, ok, tc.sampled)
		}
		if ok && tc.traceID() != aTrace {
			t.Errorf("%q: trace %s", c.text, tc.traceID())
		}
		if !ok && tc != (traceContext{}) {
			t.Errorf("%q: not valid, and yet %v", c.text, tc)
		}
	}
}

func TestIncomingCountsOnce(t *testing.T) {
	t.Parallel()
	var h sluice.Header
	h.Add("TraceParent", "00-"+aTrace+"-"+aSpan+"-01")
	if _, ok := incoming(&h); !ok {
		t.Error("one traceparent does not count")
	}
	h.Add("traceparent", "00-"+aTrace+"-"+aSpan+"-01")
	if _, ok := incoming(&h); ok {
		t.Error("two traceparents count")
	}
}

func TestTracestate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fields []string
		want   string
	}{
		{nil, ""},
		{[]string{"a=1"}, "a=1"},
		{[]string{"a=1", "", "b=2,c=3"}, "a=1,b=2,c=3"},
		{[]string{"a=1", "b=" + strings.Repeat("x", maxTracestate)}, ""},
	} {
		var h sluice.Header
		for _, f := range c.fields {
			h.Add("Other", "d=4")
			h.Add("TraceState", f)
		}
		if got := string(appendTracestate([]byte("-"), &h)); got != "-"+c.want {
			t.Errorf("%q gives %q; want %q", c.fields, got, c.want)
		}
	}
}

func TestSampleBound(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]int{-1: 0, 0: 0, 0.1: 1000, 0.5: 5000, 1: 10000, 2: 10000} {
		tr := &tracer{bound: sampleBound(share)}
		got := 0
		for range 10000 {
			if tr.sampled(newTrace().trace) {
				got++
			}
		}
		if got < want-250 || got > want+250 || want%10000 == 0 && got != want {
			t.Errorf("a share of %v samples %d of 10000", share, got)
		}
	}
}

func FuzzTraceparent(f *testing.F) {
	f.Add([]byte("00-" + aTrace + "-" + aSpan + "-01"))
	f.Add([]byte("01-" + aTrace + "-" + aSpan + "-01-x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		tc, ok := parseTraceparent(text)
		if !ok {
			return
		}
		var h sluice.Header
		tc.inject(&h, nil)
		again, ok := incoming(&h)
		if !ok || again != tc {
			t.Errorf("%q became %q", text, h.Value("traceparent"))
		}
		if got := h.Value("traceparent"); string(got[3:52]) != string(text[3:52]) {
			t.Errorf("%q became %q", text, got)
		}
	})
}

func TestTarget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		endpoint, want string
		http           bool
	}{
		{"http://collector:4317", "http://collector:4317", false},
		{"https://collector", "https://collector:4317", false},
		{"http://[::1]/", "http://[::1]:4317/", false},
		{"http://collector:4318", "http://collector:4318/v1/traces", true},
		{"https://collector:443/otlp/", "https://collector:443/otlp/v1/traces", true},
		{"https://collector:443/v1/traces", "https://collector:443/v1/traces", true},
	} {
		u, http, err := (&Traces{Endpoint: c.endpoint}).target()
		if err != nil || u.String() != c.want || http != c.http {
			t.Errorf("%s: %v, HTTP %t, %v", c.endpoint, u, http, err)
		}
	}
	for _, bad := range []string{"collector:4317", "grpc://collector", "http://", "http://a b", "http://u:p@collector", "http://collector?x"} {
		if err := (&Traces{Endpoint: bad}).Check(); err == nil || !strings.Contains(err.Error(), "want http://") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
