package observe_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"

	dto "github.com/prometheus/client_model/go"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/observe"
)

func expose(t *testing.T, m *observe.Metrics, accept string) (form, text string) {
	t.Helper()
	var b strings.Builder
	form = m.ContentType(accept)
	if err := m.Expose(&b, form); err != nil {
		t.Fatal(err)
	}
	return form, b.String()
}

func wantLines(t *testing.T, m *observe.Metrics, want string) {
	t.Helper()
	_, text := expose(t, m, "text/plain")
	if got := apiLines(text); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestSameSeries(t *testing.T) {
	t.Parallel()
	m := observe.NewMetrics()
	shop, kind := sluice.Label{Name: "backend", Value: "shop"}, sluice.Label{Name: "kind", Value: "sql"}
	m.Counter("test_total", "Help", shop, kind).Add(1)
	m.Counter("test_total", "Other help", kind, shop).Add(2)
	m.Counter("test_total", "Help", sluice.Label{Name: "backend", Value: "bad \xff"}).Add(4)
	if m.Histogram("test_seconds", "Help", shop) != m.Histogram("test_seconds", "Help", shop) {
		t.Error("two histograms of one name and label")
	}
	// A name stays with its first type.
	m.Histogram("test_total", "Help", shop).Observe(time.Second)
	m.Counter("test_seconds", "Help").Add(1)
	m.Gauge("test_total", "Help", func() float64 { return 1 })
	m.Total("test_total", "Help", func() float64 { return 1 })
	m.Gauge("test_open", "Help", func() float64 { return 1 })
	m.Total("test_open", "Help", func() float64 { return 2 }, shop)
	_, text := expose(t, m, "text/plain")
	for _, want := range []string{
		`test_total{backend="shop",kind="sql"} 3`, "test_total{backend=\"bad \uFFFD\"} 4", `test_seconds_count{backend="shop"} 0`, "test_open 1",
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no line %s in\n%s", want, apiLines(text))
		}
	}
	if strings.Contains(text, "test_open{") {
		t.Errorf("a total under the name of a gauge in\n%s", text)
	}
	if strings.Count(text, "# HELP test_total Help\n") != 1 {
		t.Errorf("not one help line in\n%s", text)
	}
}

// A series that is read goes away with the block that made it.
func TestReadSeriesGoWithTheirBlock(t *testing.T) {
	t.Parallel()
	for typ, add := range map[string]func(sluice.Metrics, func() float64, sluice.Label){
		"gauge":   func(m sluice.Metrics, read func() float64, l sluice.Label) { m.Gauge("test_open", "Help", read, l) },
		"counter": func(m sluice.Metrics, read func() float64, l sluice.Label) { m.Total("test_open", "Help", read, l) },
	} {
		m := observe.NewMetrics()
		read := func(v float64) func() float64 { return func() float64 { return v } }
		shop, users := sluice.Label{Name: "backend", Value: "shop"}, sluice.Label{Name: "backend", Value: "users"}

		old, next := &sluice.Env{}, &sluice.Env{}
		add(m.Within(old), read(1), shop)
		add(m.Within(old), read(2), users)
		wantLines(t, m, "test_open{backend=\"shop\"} 1\ntest_open{backend=\"users\"} 2\n")
		if _, text := expose(t, m, "text/plain"); !strings.Contains(text, "# TYPE test_open "+typ+"\n") {
			t.Errorf("test_open is no %s in\n%s", typ, text)
		}
		add(m.Within(next), read(3), shop)
		old.Close()
		wantLines(t, m, "test_open{backend=\"shop\"} 3\n")
		next.Close()
		wantLines(t, m, "")
		m.Histogram("test_open", "The name is free again").Observe(time.Second)
		if _, text := expose(t, m, "text/plain"); !strings.Contains(text, "test_open_count 1\n") {
			t.Errorf("the name is not free again:\n%s", text)
		}
	}
}

// A gauge may use metrics while it is read.
func TestGaugeIsReadWithoutALock(t *testing.T) {
	t.Parallel()
	m := observe.NewMetrics()
	m.Gauge("test_open", "Help", func() float64 { m.Counter("test_reads_total", "Help").Add(1); return 7 })
	wantLines(t, m, "test_open 7\n")
	if _, text := expose(t, m, ""); !strings.Contains(text, "test_reads_total ") {
		t.Errorf("the gauge's counter is not there:\n%s", apiLines(text))
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	m := observe.NewMetrics()
	m.Histogram("test_seconds", "Help").Observe(3 * time.Millisecond)
	for accept, want := range map[string]string{
		"application/openmetrics-text; version=1.0.0": "application/openmetrics-text; version=1.0.0; charset=utf-8",
		"text/plain": "text/plain; version=0.0.4; charset=utf-8",
		"":           "text/plain; version=0.0.4; charset=utf-8",
		"rubbish":    "text/plain; version=0.0.4; charset=utf-8",
	} {
		form, text := expose(t, m, accept)
		if !strings.HasPrefix(form, want) {
			t.Errorf("%q gives %q; want %q", accept, form, want)
		}
		for _, part := range []string{"go_goroutines ", "process_open_fds ", `test_seconds_bucket{le="0.005"} 1`} {
			if !strings.Contains(text, part) {
				t.Errorf("%q: no %s in the text", accept, part)
			}
		}
		if strings.HasSuffix(text, "# EOF\n") != strings.Contains(accept, "openmetrics") {
			t.Errorf("%q: the end of the text is wrong", accept)
		}
	}
}

func TestNativeHistogram(t *testing.T) {
	t.Parallel()
	m := observe.NewMetrics()
	h := m.Histogram("test_seconds", "Help")
	for d := time.Millisecond; d < time.Second; d *= 2 {
		h.Observe(d)
	}
	form, text := expose(t, m, "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited")
	dec := expfmt.NewDecoder(strings.NewReader(text), expfmt.Format(form))
	for {
		var f dto.MetricFamily
		if err := dec.Decode(&f); err != nil {
			t.Fatal("no test_seconds:", errors.Unwrap(err), err)
		}
		if f.GetName() != "test_seconds" {
			continue
		}
		got := f.GetMetric()[0].GetHistogram()
		if got.GetSchema() != 3 || len(got.GetPositiveDelta()) == 0 || len(got.GetBucket()) != 16 || got.GetSampleCount() != 10 {
			t.Errorf("not both classic and native: %v", got)
		}
		return
	}
}
