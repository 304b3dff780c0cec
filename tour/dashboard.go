package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// panel is a panel of a dashboard of Grafana, as far as it is read; a row has panels of its own.
type panel struct {
	Title   string
	Targets []struct{ Expr string }
	Panels  []panel
}

// queries are the queries of a panel, with Grafana's variables filled in.
func (p panel) queries() (all []string) {
	fill := strings.NewReplacer("$instance", ".*", "$__rate_interval", "1m", "$__range", "1m", "$__interval", "1m")
	for _, t := range p.Targets {
		all = append(all, fill.Replace(t.Expr))
	}
	for _, inner := range p.Panels {
		all = append(all, inner.queries()...)
	}
	return all
}

// dashboard asks Prometheus, which scrapes the nodes, every query of the dashboard.
func (s *site) dashboard(ctx context.Context) ([]string, error) {
	const file = "deploy/grafana/dashboard.json"
	text, err := os.ReadFile(filepath.Join(s.stack.Program.Root, file))
	if err != nil {
		return nil, err
	}
	var board panel
	if err := json.Unmarshal(text, &board); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	all := board.queries()
	none := 0
	err = until(ctx, time.Minute, func() (err error) {
		// What is refused has series once some request was.
		if _, err := wanted(ctx, 400, get(s.stack.URL()+"/user/0")); err != nil {
			return err
		}
		none, err = s.haveSeries(ctx, all)
		return err
	})
	if err != nil {
		return nil, err
	}
	p99, err := s.slowest(ctx)
	if err != nil {
		return nil, err
	}
	series := fmt.Sprintf("all its %d queries have series;", len(all))
	if none > 0 {
		series = fmt.Sprintf("%d of its %d queries have series; no request failed, so %d has none;", len(all)-none, len(all), none)
	}
	return []string{
		"Grafana's dashboard, by Prometheus, which scrapes all nodes:",
		series,
		fmt.Sprintf("p99 of %s over the three nodes: %s", p99.Labels["endpoint"], p99.Value),
	}, nil
}

// haveSeries wants every query to be answered, and to have series, but for those that ask for failures: of these it tells how
// many have none.
func (s *site) haveSeries(ctx context.Context, queries []string) (none int, err error) {
	var empty []string
	for _, q := range queries {
		found, err := s.stack.Prometheus.Query(ctx, q)
		switch {
		case err != nil:
			return 0, err
		case len(found) > 0:
		case strings.Contains(q, `status=~"5..`):
			none++
		default:
			empty = append(empty, q)
		}
	}
	if len(empty) > 0 {
		return 0, fmt.Errorf("%d of %d queries of the dashboard have no series in Prometheus:\n%s", len(empty), len(queries), strings.Join(empty, "\n"))
	}
	return none, nil
}

// slowest is the p99 of get_user over the three nodes, in the last minute.
func (s *site) slowest(ctx context.Context) (servers.Sample, error) {
	found, err := s.stack.Prometheus.Query(ctx, `histogram_quantile(0.99, sum by (le, endpoint) (rate(api_request_duration_seconds_bucket{job="sluice", endpoint="get_user"}[5m])))`)
	if err != nil {
		return servers.Sample{}, err
	}
	if len(found) != 1 {
		return servers.Sample{}, errUnlike("series of get_user's p99", len(found), 1)
	}
	p99, err := strconv.ParseFloat(found[0].Value, 64)
	if err != nil || !(p99 > 0) {
		return servers.Sample{}, fmt.Errorf("get_user's p99 by Prometheus is %s, %w", found[0].Value, err)
	}
	found[0].Value = milliseconds(duration(p99))
	return found[0], nil
}
