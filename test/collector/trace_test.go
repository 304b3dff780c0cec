package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long something may take on a machine that is busy.
const patience = 90 * time.Second

// TestTraces sends requests through real nodes and reads the traces where a real collector has put them.
func TestTraces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program, collector := filepath.Join(dir, "sluice"), filepath.Join(dir, "collector")
	compile(t, "../..", program, "./cmd/sluice")
	compile(t, ".", collector, ".")

	c := &written{path: filepath.Join(dir, "traces.json")}
	otlp := free(t)
	write(t, filepath.Join(dir, "collector.yaml"), fmt.Sprintf(`
receivers:
  otlp: {protocols: {grpc: {endpoint: %q}}}
exporters:
  file: {path: %q, flush_interval: 100ms}
  debug: {verbosity: basic}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], exporters: [file, debug]}
`, otlp, c.path))
	start(t, dir, nil, collector, "--config", filepath.Join(dir, "collector.yaml"))
	await(t, "the collector listens", func() error {
		conn, err := net.DialTimeout("tcp", otlp, time.Second)
		if err == nil {
			err = conn.Close()
		}
		return err
	})

	node := func(name, config string, args ...string) (http string) {
		folder := filepath.Join(dir, name)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		http, admin := free(t), free(t)
		write(t, filepath.Join(folder, "user.proto"), proto)
		write(t, filepath.Join(folder, "sluice.yaml"), fmt.Sprintf(`sluice: 1
listen: {http: %q, admin: %q, drain: {delay: 0s}}
observe: {traces: {endpoint: "http://%s", sample: 1, service: %s}}
%s`, http, admin, otlp, name, config))
		start(t, folder, []string{"OTEL_BSP_SCHEDULE_DELAY=100"}, program, append([]string{"run"}, args...)...)
		await(t, name+" is ready", func() error { return answers("http://" + admin + "/readyz") })
		return http
	}

	data := node("data", `protos: [user.proto]
backends:
  users: {sql: {url: "sqlite:users.db", schema: "CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT, email TEXT); INSERT OR IGNORE INTO users VALUES (1, 'Ada', 'ada@example.org')"}}
endpoints:
  read_user:
    routes: ["GET /users/{user_id}", "grpc user.v1.UserService/GetUser"]
    input: {user_id: {type: integer}}
    sql: {query: "SELECT name, email FROM users WHERE id = $user_id", returns: one}
`)
	edge := node("edge", fmt.Sprintf(`backends:
  plain: {http: {urls: ["http://%[1]s"]}}
  called: {grpc: {target: %[1]q, protos: [user.proto]}}
endpoints:
  get_user_http: {route: "GET /http/{id}", http: {backend: plain, path: "/users/{id}"}}
  get_user_grpc: {route: "GET /grpc/{id}", input: {id: {type: integer}}, grpc: {backend: called, method: user.v1.UserService/GetUser, message: {user_id: "{id}"}}}
`, data))
	jobs := node("jobs", `backends:
  reports: {sql: {url: "sqlite:reports.db", schema: "CREATE TABLE IF NOT EXISTS reports (id TEXT PRIMARY KEY)"}}
endpoints:
  create_report:
    route: POST /reports
    policies: [{async: {attempts: 2, timeout: 1m}}]
    sql: {query: "INSERT INTO reports (id) VALUES ($\"header.idempotency-key\") ON CONFLICT DO NOTHING"}
`)

	t.Run("edge to http to SQL", func(t *testing.T) {
		trace := ask(t, "GET", "http://"+edge+"/http/1", 200)
		c.want(t, trace, "edge server GET /http/{id}", "edge client GET", "data server GET /users/{user_id}", "data client SELECT")
	})
	t.Run("edge to gRPC to SQL", func(t *testing.T) {
		trace := ask(t, "GET", "http://"+edge+"/grpc/1", 200)
		c.want(t, trace, "edge server GET /grpc/{id}", "edge client user.v1.UserService/GetUser", "data server user.v1.UserService/GetUser", "data client SELECT")
	})
	t.Run("request to job to worker", func(t *testing.T) {
		trace := ask(t, "POST", "http://"+jobs+"/reports", 202)
		c.want(t, trace, "jobs server POST /reports", "jobs producer send create_report", "jobs consumer process create_report", "jobs client INSERT")
	})
}

const proto = `syntax = "proto3";
package user.v1;
service UserService { rpc GetUser(UserRequest) returns (UserResponse); }
message UserRequest { int64 user_id = 1; }
message UserResponse { string name = 1; string email = 2; }
`

// caller is the span of who asks, in whose trace the request is.
const caller = "00f067aa0ba902b7"

// ask makes a request in a trace of its own.
func ask(t *testing.T, method, url string, status int) (trace string) {
	t.Helper()
	trace = fmt.Sprintf("%032x", time.Now().UnixNano())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Traceparent", "00-"+trace+"-"+caller+"-01")
	r.Header.Set("Idempotency-Key", trace)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status {
		t.Fatalf("%s %s: %d %s %v", method, url, answer.StatusCode, body, err)
	}
	return trace
}

// span is a span as the collector writes it, with the name of its service.
type span struct {
	TraceID, SpanID, ParentSpanID, Name string
	Kind                                int
	service                             string
}

var kinds = [...]string{"", "internal", "server", "client", "producer", "consumer"}

func (s span) String() string { return s.service + " " + kinds[s.Kind] + " " + s.Name }

// written is the file of the collector.
type written struct{ path string }

func (w *written) spans(trace string) (all []span, err error) {
	content, err := os.ReadFile(w.path)
	if err != nil {
		return nil, err
	}
	for _, line := range bytes.SplitAfter(content, []byte("\n")) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			continue // it is being written
		}
		var batch struct {
			ResourceSpans []struct {
				Resource struct {
					Attributes []struct {
						Key   string
						Value struct{ StringValue string }
					}
				}
				ScopeSpans []struct{ Spans []span }
			}
		}
		if err := json.Unmarshal(line, &batch); err != nil {
			return nil, err
		}
		for _, r := range batch.ResourceSpans {
			service := ""
			for _, a := range r.Resource.Attributes {
				if a.Key == "service.name" {
					service = a.Value.StringValue
				}
			}
			for _, s := range r.ScopeSpans {
				for _, one := range s.Spans {
					if one.TraceID == trace {
						one.service = service
						all = append(all, one)
					}
				}
			}
		}
	}
	return all, nil
}

// want waits until the trace is whole: a line of spans, each the child of the one before, the first that of the caller.
// Each is given as the service, the kind, and what is in its name. Beside them there may be no other span.
func (w *written) want(t *testing.T, trace string, line ...string) {
	t.Helper()
	var last []span
	await(t, "the collector has the trace "+strings.Join(line, " → "), func() error {
		spans, err := w.spans(trace)
		if err != nil {
			return err
		}
		last = spans
		parent := caller
		for _, want := range line {
			found := false
			for _, s := range spans {
				words := strings.SplitN(want, " ", 3)
				if s.ParentSpanID == parent && s.service == words[0] && kinds[s.Kind] == words[1] && (len(words) < 3 || strings.Contains(s.Name, words[2])) {
					parent, found = s.SpanID, true
					break
				}
			}
			if !found {
				return fmt.Errorf("there is no %s below %s; of %d spans: %v", want, parent, len(spans), spans)
			}
		}
		return nil
	})
	if len(last) != len(line) {
		t.Errorf("the trace has %d spans; want %d: %v", len(last), len(line), last)
	}
}

func compile(t *testing.T, dir, path, pkg string) {
	t.Helper()
	build := exec.Command("go", "build", "-buildvcs=false", "-o", path, pkg)
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
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

// start runs a program until the test ends, and shows what it has said where the test has failed.
func start(t *testing.T, dir string, env []string, program string, args ...string) {
	t.Helper()
	var said bytes.Buffer
	run := exec.Command(program, args...)
	run.Dir, run.Env, run.Stdout, run.Stderr = dir, append(os.Environ(), env...), &said, &said
	run.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("%s has ended by itself: %v", filepath.Base(program), err)
		}
		kill := time.AfterFunc(patience, func() { _ = run.Process.Kill() }) // it may have ended just now
		err := run.Wait()
		kill.Stop()
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(program), err)
		}
		if t.Failed() {
			t.Logf("%s %v:\n%s", filepath.Base(program), args, said.Bytes())
		}
	})
}

// answers asks an address for a 200.
func answers(url string) error {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", answer.Status)
	}
	return nil
}

// await asks until there is no error, as long as patience lasts.
func await(t *testing.T, what string, ask func() error) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
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

// TestCompose has the collector check what deploy/compose.yaml gives it.
func TestCompose(t *testing.T) {
	t.Parallel()
	collector := filepath.Join(t.TempDir(), "collector")
	compile(t, ".", collector, ".")
	file := "../../deploy/compose/collector.yaml"
	if out, err := exec.Command(collector, "validate", "--config", file).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", file, err, out)
	}
}
