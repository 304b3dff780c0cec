package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// question is one request, with fields as name and value in turn.
type question struct {
	method, url, body string
	fields            []string
}

func get(url string, fields ...string) question {
	return question{method: "GET", url: url, fields: fields}
}

// answer is a whole response.
type answer struct {
	status int
	header http.Header
	body   []byte
	wait   time.Duration
}

func ask(ctx context.Context, q question) (a answer, err error) {
	return askWith(ctx, http.DefaultClient, q)
}

func askWith(ctx context.Context, client *http.Client, q question) (a answer, err error) {
	r, err := http.NewRequestWithContext(ctx, q.method, q.url, strings.NewReader(q.body))
	if err != nil {
		return a, err
	}
	for i := 0; i+1 < len(q.fields); i += 2 {
		r.Header.Set(q.fields[i], q.fields[i+1])
	}
	r.Host = r.Header.Get("Host") // of the URL where there is none
	began := time.Now()
	response, err := client.Do(r)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, body, time.Since(began)}, err
}

// wanted asks and wants that status.
func wanted(ctx context.Context, status int, q question) (answer, error) {
	a, err := ask(ctx, q)
	if err == nil && a.status != status {
		err = fmt.Errorf("%s %s: status %d, want %d: %.300s", q.method, q.url, a.status, status, a.body)
	}
	return a, err
}

// waits are how long answers took, sorted.
type waits []time.Duration

// measure asks n times, one after the other, and wants 200 each time.
func measure(ctx context.Context, n int, q func(i int) question) (waits, error) {
	var w waits
	for i := range n {
		a, err := wanted(ctx, 200, q(i))
		if err != nil {
			return nil, err
		}
		w = append(w, a.wait)
	}
	if n == 0 {
		return nil, errors.New("nothing to measure")
	}
	slices.Sort(w)
	return w, nil
}

// quantile is the wait that the share q of all does not exceed.
func (w waits) quantile(q float64) time.Duration {
	return w[max(0, int(math.Ceil(q*float64(len(w))))-1)]
}

func (w waits) String() string {
	return fmt.Sprintf("p50 %s, p99 %s", milliseconds(w.quantile(0.5)), milliseconds(w.quantile(0.99)))
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}
