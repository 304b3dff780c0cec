package sql

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// trace writes down what spans are told.
type trace struct {
	text  *strings.Builder
	quiet bool
}

func (s trace) Recording() bool                { return !s.quiet }
func (s trace) Child(name string) sluice.Span  { fmt.Fprintf(s.text, "%s{", name); return s }
func (s trace) Send(name string) sluice.Span   { return s.Child(name) }
func (s trace) SetText(key, value string)      { fmt.Fprintf(s.text, "%s=%s ", key, value) }
func (s trace) SetInt(key string, value int64) { fmt.Fprintf(s.text, "%s=%d ", key, value) }
func (s trace) Inject(*sluice.Header)          {}
func (s trace) TraceID() string                { return "" }
func (s trace) End(err error)                  { fmt.Fprintf(s.text, "}%v", err) }

func TestSpans(t *testing.T) {
	t.Parallel()
	n := setup(t, nil)
	for _, tt := range []struct {
		use  *Use
		want string
	}{
		{&Use{Query: query(t, "SELECT 1 AS one"), Returns: "one"},
			"SELECT shop{db.system.name=sqlite db.namespace=shop.db db.operation.name=SELECT db.query.text=SELECT 1 AS one }<nil>"},
		{&Use{Query: query(t, "UPDATE users SET age = 1")},
			"UPDATE shop{db.system.name=sqlite db.namespace=shop.db db.operation.name=UPDATE db.query.text=UPDATE users SET age = 1 }unprocessable: a value breaks the rule grown_up"},
		{&Use{TX: []Step{{Query: query(t, "DELETE FROM orders")}}},
			"TRANSACTION shop{db.system.name=sqlite db.namespace=shop.db db.operation.name=TRANSACTION }<nil>"},
		{&Use{Query: query(t, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) SELECT i FROM n")},
			"SELECT shop{db.system.name=sqlite db.namespace=shop.db db.operation.name=SELECT db.query.text=WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) SELECT i FROM n }<nil>"},
	} {
		h := n.must("POST /x", tt.use)
		for _, quiet := range []bool{false, true} {
			x := exchange("")
			span := trace{&strings.Builder{}, quiet}
			x.Span = span
			_, _ = run(h, x)
			got := span.text.String()
			if quiet && strings.Contains(got, "db.") {
				t.Errorf("a span that nobody sees was told %s", got)
			}
			if !quiet && !strings.HasPrefix(got, tt.want) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		}
	}
}

// series counts what is observed.
type series struct {
	sluice.NoMetrics
	gauges map[string]func() float64
	totals map[string]func() float64
	took   map[string]*observed
}

type observed struct{ n int }

func (o *observed) Observe(time.Duration) { o.n++ }

func (s *series) Gauge(name, _ string, read func() float64, labels ...sluice.Label) {
	s.gauges[name+fmt.Sprint(labels)] = read
}

func (s *series) Total(name, _ string, read func() float64, labels ...sluice.Label) {
	s.totals[name+fmt.Sprint(labels)] = read
}

func (s *series) Histogram(name, _ string, labels ...sluice.Label) sluice.Histogram {
	o := &observed{}
	s.took[name+fmt.Sprint(labels)] = o
	return o
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Readers = 3 })
	s := &series{gauges: make(map[string]func() float64), totals: make(map[string]func() float64), took: make(map[string]*observed)}
	n.env.Metrics = s
	b := n.opened.Backend.(*backend)
	b.shards[0].measureFile(n.env, n.file())
	env := n.newEnv("get")
	env.Metrics = s
	h, err := b.Handle(env, &sluice.Endpoint{Name: "get", Routes: []string{"GET /x"}}, &Use{Query: query(t, "SELECT 1 AS one")})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		n.wants(h, "", `[{"one":1}]`)
	}
	if o := s.took["sluice_sql_duration_seconds[{backend shop} {endpoint get}]"]; o == nil || o.n != 2 {
		t.Errorf("the series are %v; want two reads in that of the endpoint", s.took)
	}
	for name, want := range map[string]float64{"readers": 3, "readers_in_use": 0, "long_answers": 0} {
		if read := s.gauges["sluice_sql_"+name+"[{backend shop}]"]; read == nil || read() != want {
			t.Errorf("the gauge %s is missing, or not %v", name, want)
		}
	}
	for name, want := range map[string]float64{"reader_waits_total": 0, "writes_total": 1, "commits_total": 1, "writes_again_total": 0} {
		if read := s.totals["sluice_sql_"+name+"[{backend shop}]"]; read == nil || read() != want {
			t.Errorf("the counter %s is missing, or not %v", name, want)
		}
	}
}

func TestNodeBound(t *testing.T) {
	t.Parallel()
	w := &Where{URL: Servers{URL: URL{Path: "shop.db"}}}
	if why := w.NodeBound(); !strings.Contains(why, "shop.db") || !strings.Contains(why, "want") {
		t.Errorf("%q; want what is bound, and what to set instead", why)
	}
}
