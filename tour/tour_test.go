package main

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

func TestWalk(t *testing.T) {
	t.Parallel()
	all := []part{
		{name: "one"},
		{name: "two", show: func(context.Context, *site) ([]string, error) { return []string{"first", "second"}, nil }},
		{name: "three", show: func(context.Context, *site) ([]string, error) { return []string{"half"}, errors.New("broken") }},
	}
	var got strings.Builder
	err := walk(context.Background(), nil, all, &got)
	want := ` 1  one                      not yet
 2  two                      first
                             second
 3  three                    half
                             FAILED

1/3
missing: one
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
	if err == nil || err.Error() != "three: broken" {
		t.Errorf("got error %v", err)
	}
}

func TestThirteen(t *testing.T) {
	t.Parallel()
	if n := len(parts()); n != 13 {
		t.Errorf("%d parts, want 13", n)
	}
	for i, p := range parts() {
		if len("13  ")+len(p.name) > nameWidth {
			t.Errorf("part %d: %q is too long for its column", i+1, p.name)
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	got := strings.Join(wrap([]string{"aa bb", "cc", "dd", "a long one", "e"}, 10), "|")
	if want := "aa bb, cc,|dd,|a long one,|e"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if lines := wrap(nil, 10); lines != nil {
		t.Errorf("nothing became %q", lines)
	}
}

func TestParseSeries(t *testing.T) {
	t.Parallel()
	got, err := parseSeries("# TYPE a counter\na{b=\"c d\",e=\"}\"} 3 1700000000\nf 1.5\n\n")
	if err != nil || len(got) != 2 || got[`a{b="c d",e="}"}`] != 3 || got["f"] != 1.5 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"a", "a x", `a{b="c"}`} {
		if got, err := parseSeries(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, got)
		}
	}
}

func TestSum(t *testing.T) {
	t.Parallel()
	all, err := parseSeries("a{b=\"c\",d=\"e\"} 3\na{b=\"c\",d=\"f\"} 4\nab{b=\"c\"} 5\na{b=\"x\"} 6\n")
	if err != nil {
		t.Fatal(err)
	}
	for labels, want := range map[string]float64{`b="c"`: 7, `b="c" d="f"`: 4, `b="y"`: 0, "": 13} {
		if got := all.sum("a", strings.Fields(labels)...); got != want {
			t.Errorf("%s: %v, want %v", labels, got, want)
		}
	}
}

func TestHistogram(t *testing.T) {
	t.Parallel()
	h := histogramOf(series{
		`api_request_duration_seconds_bucket{endpoint="x",le="+Inf"}`:  110,
		`api_request_duration_seconds_bucket{endpoint="x",le="0.002"}`: 100,
		`api_request_duration_seconds_bucket{endpoint="x",le="0.001"}`: 60,
		`api_request_duration_seconds_bucket{endpoint="y",le="0.001"}`: 9,
	}, "x")
	h = h.minus(histogram{{0.001, 10}, {0.002, 10}, {math.Inf(1), 10}})
	for q, want := range map[float64]time.Duration{0.25: 500 * time.Microsecond, 0.5: time.Millisecond, 0.7: 1500 * time.Microsecond, 0.99: 2 * time.Millisecond} {
		if got := h.quantile(q); (got - want).Abs() > time.Microsecond {
			t.Errorf("quantile %v is %s, want %s", q, got, want)
		}
	}
	if got := h.least(0.7); got != time.Millisecond {
		t.Errorf("the least is %s, want 1ms", got)
	}
	if got := (histogram{}).quantile(0.5) + (histogram{{math.Inf(1), 0}}).quantile(0.5); got != 0 {
		t.Errorf("the median of nothing is %s", got)
	}
}

func TestLineOf(t *testing.T) {
	t.Parallel()
	all := []servers.Span{
		{Service: "users", Kind: "server", Name: "GetUser", ID: "3", Parent: "2"},
		{Service: "shop", Kind: "server", Name: "GET /user", ID: "1", Parent: "0"},
		{Service: "shop", Kind: "client", Name: "GetUser", ID: "2", Parent: "1"},
	}
	want := []string{"shop server GET", "shop client", "users server GetUser"}
	line, err := lineOf(all, "0", want)
	if err != nil || len(line) != 3 || line[2].ID != "3" {
		t.Errorf("got %v, %v", line, err)
	}
	if got, err := lineOf(all, "1", want); err == nil {
		t.Errorf("below another span: got %v", got)
	}
	if got, err := lineOf(all, "0", append(want, "users client SELECT")); err == nil {
		t.Errorf("a span that is not there: got %v", got)
	}
}

func TestPanelQueries(t *testing.T) {
	t.Parallel()
	var board panel
	err := json.Unmarshal([]byte(`{"panels": [{"targets": [{"expr": "a{instance=~\"$instance\"}"}]}, {"panels": [{"targets": [{"expr": "rate(b[$__rate_interval])"}]}]}]}`), &board)
	if got := strings.Join(board.queries(), " "); err != nil || got != `a{instance=~".*"} rate(b[1m])` {
		t.Errorf("got %s, %v", got, err)
	}
}
