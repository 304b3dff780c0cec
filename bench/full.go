package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// bearer is the field of requests that carries the token.
const bearer = "Bearer "

// full measures a proxied request behind what a gateway in use does: who asks
// is known by a token, a rate is kept, requests are counted, some are traced.
func full(ctx context.Context, args []string) error {
	b, err := newProfiled(ctx, "full", args)
	if err != nil {
		return err
	}
	defer b.close()

	var goals []goal
	for _, accessLog := range []bool{false, true} {
		title := "access log off"
		if accessLog {
			title = "access log on"
		}
		entries, err := b.measureFull(ctx, title, accessLog)
		if err != nil {
			return err
		}
		writeRatios(os.Stdout, title, entries, "nginx")
		fmt.Println()
		goals = append(goals, cpuGoal(title, entries, "nginx", 1.3))
	}
	writeGoals(os.Stdout, goals...)
	return nil
}

// measureFull measures both with or without access logs and prints the table.
func (b *bench) measureFull(ctx context.Context, title string, accessLog bool) ([]*entry, error) {
	defer b.stopAll()
	origin, err := b.startOrigin(ctx, originPath, originBody)
	if err != nil {
		return nil, err
	}
	collector, err := b.startCollector(ctx)
	if err != nil {
		return nil, err
	}
	token, public, err := newToken()
	if err != nil {
		return nil, fmt.Errorf("making a token: %w", err)
	}
	keys, err := b.write("keys.pem", public)
	if err != nil {
		return nil, err
	}
	script, err := b.write("full.lua", fmt.Sprintf("wrk.headers[\"Authorization\"] = %q\n", bearer+token))
	if err != nil {
		return nil, err
	}
	rivals, err := b.choose(ctx, []rival{
		sluice{accessLog: accessLog, collector: collector, answers: fullAnswers(origin, keys)},
		nginxLimited{origin, accessLog},
	})
	if err != nil {
		return nil, err
	}
	if !accessLog {
		b.writeRivals(os.Stdout)
	}
	entries, err := b.startAll(ctx, rivals, readyPath)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := e.checkFull(ctx, token); err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
	}
	if err := b.measure(ctx, entries, originPath, script); err != nil {
		return nil, err
	}
	results(title, entries).writeTo(os.Stdout)
	if err := checkTraced(ctx, collector, entries); err != nil {
		return nil, err
	}
	if err := b.profileSluice(ctx, title, entries, originPath, script); err != nil {
		return nil, err
	}
	b.stopAll()
	if accessLog {
		for _, e := range entries {
			if err := checkLog(e); err != nil {
				return nil, err
			}
		}
	}
	return entries, nil
}

// checkFull makes sure that a server passes on what it is to pass on, and
// refuses what it is to refuse.
func (e *entry) checkFull(ctx context.Context, token string) error {
	ask := func(path, token string, want int) (string, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.base+path, nil)
		if err != nil {
			return "", err
		}
		if token != "" {
			request.Header.Set("Authorization", bearer+token)
		}
		status, body, err := send(request)
		if err == nil && status != want {
			err = fmt.Errorf("%s is answered with %d %s; want %d", path, status, body, want)
		}
		return string(body), err
	}
	body, err := ask(originPath, token, http.StatusOK)
	if err == nil && body != originBody {
		err = fmt.Errorf("the upstream's answer became %q", body)
	}
	_, first := ask(fewPath, token, http.StatusOK)
	_, second := ask(fewPath, token, http.StatusTooManyRequests)
	err = errors.Join(err, first, second)
	if e.name != sluiceName {
		return err
	}
	_, nobody := ask(originPath, "", http.StatusUnauthorized)
	_, forged := ask(originPath, token[:len(token)-8]+"AAAAAAAA", http.StatusUnauthorized)
	return errors.Join(err, nobody, forged)
}

// checkTraced makes sure that about as many of Sluice's requests were traced
// as were to be, and counted.
func checkTraced(ctx context.Context, collector string, entries []*entry) error {
	e := find(entries, sluiceName)
	if e == nil {
		return nil
	}
	const wanted = 0.01
	spans, err := waitSpans(ctx, collector, int(float64(e.requests)*wanted*0.8))
	if err != nil {
		return err
	}
	status, text, err := fetch(ctx, "http://"+e.process.admin+"/metrics")
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("asking sluice for its metrics: %d %w", status, err)
	}
	counted, err := sumSeries(string(text), "api_requests_total")
	if err != nil {
		return err
	}
	if counted < float64(e.requests) {
		return fmt.Errorf("sluice counted %.0f requests of %d and more", counted, e.requests)
	}
	fmt.Printf("sluice has counted %.0f requests and sent %d spans\n\n", counted, spans)
	return nil
}

// sumSeries adds up all series of one name in the text format of Prometheus.
func sumSeries(text, name string) (sum float64, err error) {
	found := false
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		fields := strings.Fields(rest[strings.LastIndexByte(rest, '}')+1:])
		if len(fields) == 0 {
			return 0, fmt.Errorf("no value in %q", line)
		}
		value, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return 0, fmt.Errorf("the value in %q: %w", line, err)
		}
		sum, found = sum+value, true
	}
	if !found {
		return 0, fmt.Errorf("there is no %s", name)
	}
	return sum, nil
}
