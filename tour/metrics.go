package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/program"
)

// metrics sends requests and wants the counters and the histogram to agree with what was sent.
func metrics(ctx context.Context, s *site) ([]string, error) {
	const good, bad = asked, 50
	before, err := scrape(ctx, s.shop)
	if err != nil {
		return nil, err
	}
	w, err := measure(ctx, good, func(i int) question { return get(fmt.Sprint(s.shop.HTTP, "/user/", i+1)) })
	if err != nil {
		return nil, err
	}
	for range bad {
		if _, err := wanted(ctx, 400, get(s.shop.HTTP+"/user/0")); err != nil {
			return nil, err
		}
	}
	var after series
	// A request is counted when its last byte is out, which the client may know first.
	err = until(ctx, 5*time.Second, func() (err error) {
		if after, err = scrape(ctx, s.shop); err != nil {
			return err
		}
		return counted(before, after, good, bad)
	})
	if err != nil {
		return nil, err
	}
	h := histogramOf(after, "get_user").minus(histogramOf(before, "get_user"))
	// No answer takes a client less than the node, so no quantile does either.
	if least, seen := h.least(0.99), w.quantile(0.99); least > seen {
		return nil, fmt.Errorf("the histogram's p99 is above %s, the client's is %s", least, seen)
	}
	board, err := s.dashboard(ctx)
	if err != nil {
		return nil, err
	}
	return append([]string{
		fmt.Sprintf("/metrics: %d series; sent %d + %d, api_requests_total +%d +%d", len(after), good, bad, good, bad),
		fmt.Sprintf("p99 %s by the histogram, in the bucket from %s; client: %s",
			milliseconds(h.quantile(0.99)), h.least(0.99), milliseconds(w.quantile(0.99))),
	}, board...), nil
}

func counted(before, after series, good, bad int) error {
	for _, c := range []struct {
		status, want int
	}{{200, good}, {400, bad}} {
		name := fmt.Sprintf(`api_requests_total{endpoint="get_user",method="GET",status="%d"}`, c.status)
		if got := after[name] - before[name]; got != float64(c.want) {
			return errUnlike(name, got, c.want)
		}
	}
	return nil
}

// series are values by name and labels, as they stand in Prometheus' text.
type series map[string]float64

// sum adds up the series of a name that have all these labels, given as they stand in the text.
func (s series) sum(name string, labels ...string) (total float64) {
	for at, value := range s {
		inside, found := strings.CutPrefix(at, name+"{")
		if !found {
			continue
		}
		if !slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(inside, l) }) {
			total += value
		}
	}
	return total
}

func scrape(ctx context.Context, n *program.Node) (series, error) {
	a, err := wanted(ctx, 200, get(n.Admin+"/metrics", "Accept", "text/plain"))
	if err != nil {
		return nil, err
	}
	return parseSeries(string(a.body))
}

func parseSeries(text string) (series, error) {
	all := series{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest := line, ""
		if end := strings.LastIndexByte(line, '}'); end >= 0 {
			name, rest = line[:end+1], line[end+1:]
		} else {
			name, rest, _ = strings.Cut(line, " ")
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			return nil, fmt.Errorf("no value in %q", line)
		}
		value, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return nil, fmt.Errorf("in %q: %w", line, err)
		}
		all[name] = value
	}
	return all, nil
}

// histogram is the requests up to each bound, by rising bounds; the last is without bound.
type histogram []bucket

type bucket struct {
	bound float64 // in seconds
	upTo  float64 // requests
}

func histogramOf(all series, endpoint string) (h histogram) {
	prefix := fmt.Sprintf(`api_request_duration_seconds_bucket{endpoint="%s",le="`, endpoint)
	for name, value := range all {
		if rest, found := strings.CutPrefix(name, prefix); found {
			bound, err := strconv.ParseFloat(strings.TrimSuffix(rest, `"}`), 64)
			if err == nil {
				h = append(h, bucket{bound, value})
			}
		}
	}
	slices.SortFunc(h, func(a, b bucket) int { return cmp.Compare(a.bound, b.bound) })
	return h
}

// minus is what came between two scrapes.
func (h histogram) minus(before histogram) histogram {
	h = slices.Clone(h)
	for i := range min(len(h), len(before)) {
		h[i].upTo -= before[i].upTo
	}
	return h
}

// find is the index of the bucket with the quantile q in it; -1 without any request.
func (h histogram) find(q float64) int {
	if len(h) == 0 || h[len(h)-1].upTo == 0 {
		return -1
	}
	want := q * h[len(h)-1].upTo
	return slices.IndexFunc(h, func(b bucket) bool { return b.upTo >= want })
}

// least is what the quantile q is at least: the bound below its bucket.
func (h histogram) least(q float64) time.Duration {
	if i := h.find(q); i > 0 {
		return duration(h[i-1].bound)
	}
	return 0
}

// quantile is what Prometheus' histogram_quantile makes of it: requests are taken to lie evenly within their bucket,
// and what is above the last bound on it.
func (h histogram) quantile(q float64) time.Duration {
	i := h.find(q)
	if i < 0 {
		return 0
	}
	low, below := 0.0, 0.0
	if i > 0 {
		low, below = h[i-1].bound, h[i-1].upTo
	}
	if math.IsInf(h[i].bound, 1) {
		return duration(low)
	}
	return duration(low + (h[i].bound-low)*(q*h[len(h)-1].upTo-below)/(h[i].upTo-below))
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
