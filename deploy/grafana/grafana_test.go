package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// patience is how long something may take on a machine that is busy.
const patience = 2 * time.Minute

// TestCurrent wants what is committed to be what would be made.
func TestCurrent(t *testing.T) {
	t.Parallel()
	made, err := files("..")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range made {
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what is made (%v); run: make dashboard", path, err)
		}
	}
}

// TestAlerts has promtool check the alerts, run their tests, and wants a test for each.
func TestAlerts(t *testing.T) {
	t.Parallel()
	servers.Need(t, "promtool")
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"check", "config", "prometheus.yml"}, {"test", "rules", "alerts_test.yaml"}} {
		run := exec.Command("promtool", args...)
		run.Dir = "../prometheus"
		if out, err := run.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	alerts, err := os.ReadFile("../prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile("../prometheus/alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(alerts)) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "- alert: "); found {
			n++
			if !bytes.Contains(tests, []byte("alertname: "+name+"\n")) {
				t.Errorf("nothing tests the alert %s", name)
			}
		}
	}
	if n == 0 {
		t.Error("there are no alerts")
	}
}

// TestQueries has Prometheus scrape three nodes under traffic of every sort: every query of the dashboard, and what each
// alert looks at, must have series.
func TestQueries(t *testing.T) {
	t.Parallel()
	servers.Need(t, "prometheus", "postgres", "redis-server")
	dir := t.TempDir()
	program := filepath.Join(dir, "sluice")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, "../../cmd/sluice").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	postgres := servers.StartPostgres(t, servers.Options{})
	redis := servers.StartRedis(t, servers.RedisOptions{})
	nodes := startNodes(t, dir, program, "DATABASE_URL="+postgres.URL("postgres"), "REDIS_URL="+redis.URL(), "AWAY=http://"+free(t))
	var admins []string
	for _, n := range nodes {
		admins = append(admins, strconv.Quote(n.admin))
	}
	p := servers.StartPrometheus(t, fmt.Sprintf(`global: {scrape_interval: 500ms, scrape_timeout: 500ms}
scrape_configs: [{job_name: sluice, static_configs: [{targets: [%s]}]}]
`, strings.Join(admins, ", ")))

	// Traffic goes on while the queries are asked, so that rates have something to count.
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			n := nodes[i%len(nodes)]
			for _, r := range [][2]string{{"GET", "/products/1"}, {"GET", "/products/2"}, {"GET", "/away"}, {"GET", "/nowhere"}, {"POST", "/reports"}} {
				n.ask(ctx, r[0], r[1], i)
			}
		}
	}()
	t.Cleanup(func() { stop(); <-done })

	await(t, "three nodes are up", func() error {
		up, err := p.Query(ctx, `sum(up{job="sluice"} == 1)`)
		if err == nil && (len(up) != 1 || up[0].Value != "3") {
			err = fmt.Errorf("up are %v", up)
		}
		return err
	})
	asked := 0
	for _, panel := range board().Panels {
		for _, q := range panel.Targets {
			asked++
			query := strings.NewReplacer("$instance", ".*", "$__rate_interval", "30s").Replace(q.Expr)
			await(t, panel.Title+" has series", func() error { return hasSeries(ctx, p, query) })
		}
	}
	if asked < 30 {
		t.Errorf("%d queries were asked", asked)
	}
	for _, name := range metricsOfAlerts(t) {
		await(t, "the alerts' "+name+" is there", func() error { return hasSeries(ctx, p, name) })
	}
}

// hasSeries wants a query to have a series, one at least with a number.
func hasSeries(ctx context.Context, p *servers.Prometheus, query string) error {
	series, err := p.Query(ctx, query)
	if err != nil {
		return err
	}
	for _, s := range series {
		if v, err := strconv.ParseFloat(s.Value, 64); err == nil && !math.IsNaN(v) {
			return nil
		}
	}
	return fmt.Errorf("%s has %d series, and none with a number", query, len(series))
}

// metricsOfAlerts are the names of the series that the alerts look at.
func metricsOfAlerts(t *testing.T) (names []string) {
	t.Helper()
	content, err := os.ReadFile("../prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		expr, found := strings.CutPrefix(strings.TrimSpace(line), "expr: ")
		if !found {
			continue
		}
		for _, word := range strings.FieldsFunc(expr, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
			if strings.HasPrefix(word, "sluice_") || strings.HasPrefix(word, "api_") {
				names = append(names, word)
			}
		}
	}
	return names
}

type node struct{ http, admin string }

// ask makes a request; what comes of it is for the metrics to tell.
func (n node) ask(ctx context.Context, method, path string, i int) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+n.http+path, strings.NewReader(`{"name": "sales"}`))
	if err != nil {
		return
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", strconv.Itoa(i))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body) // a body that is cut is told by the node
}

const config = `sluice: 1
nodes: 3
listen: {http: "${HTTP}", admin: "${ADMIN}", drain: {delay: 0s}}
state: {redis: {url: "${REDIS_URL}", timeout: 1s}, jobs: "${DATABASE_URL}", keys: [0123456789abcdef0123456789abcdef]}
observe: {access_log: false, traces: {endpoint: "${AWAY}", sample: 0.1}}
backends:
  shop:
    sql:
      url: "${DATABASE_URL}"
      schema: |
        CREATE TABLE IF NOT EXISTS products (id bigint PRIMARY KEY, name text);
        INSERT INTO products VALUES (1, 'chair') ON CONFLICT DO NOTHING;
        CREATE TABLE IF NOT EXISTS reports (id text PRIMARY KEY);
  away: {http: {urls: ["${AWAY}"]}}
every_endpoint:
  - rate_limit: {rate: 100/s, burst: 50, by: client_ip}
endpoints:
  get_product:
    route: GET /products/{id}
    input: {id: {type: integer}}
    policies: [{cache: {ttl: 1s, tags: ["product:{id}"]}}]
    sql: {query: SELECT name FROM products WHERE id = $id, returns: one}
  away: {route: GET /away, http: {backend: away, path: /}}
  create_report:
    route: POST /reports
    policies: [{async: {attempts: 2, timeout: 1m}}]
    sql: {query: 'INSERT INTO reports (id) VALUES ($"header.idempotency-key") ON CONFLICT DO NOTHING'}
`

// startNodes starts three nodes that stop with the test.
func startNodes(t *testing.T, dir, program string, env ...string) (nodes []node) {
	t.Helper()
	file := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		n := node{free(t), free(t)}
		var said bytes.Buffer
		run := exec.Command(program, "run", file)
		run.Env = append(append(os.Environ(), env...), "HTTP="+n.http, "ADMIN="+n.admin)
		run.Stdout, run.Stderr = &said, &said
		run.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := run.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = run.Process.Signal(syscall.SIGTERM) // one that has ended already is told of below
			kill := time.AfterFunc(patience, func() { _ = run.Process.Kill() })
			err := run.Wait()
			kill.Stop()
			if err != nil || t.Failed() {
				t.Errorf("a node: %v\n%s", err, said.Bytes())
			}
		})
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		await(t, "a node is ready", func() error {
			client := http.Client{Timeout: 5 * time.Second}
			answer, err := client.Get("http://" + n.admin + "/readyz")
			if err != nil {
				return err
			}
			defer answer.Body.Close()
			var body json.RawMessage
			if err := json.NewDecoder(answer.Body).Decode(&body); err != nil || answer.StatusCode != http.StatusOK {
				return fmt.Errorf("%s %s %v", answer.Status, body, err)
			}
			return nil
		})
	}
	return nodes
}

// free is an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// await asks until there is no error, as long as patience lasts.
func await(t *testing.T, what string, ask func() error) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("waiting until %s: %v", what, err)
		case <-tick.C:
		}
	}
}
