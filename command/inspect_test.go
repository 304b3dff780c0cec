package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const tenMistakes = `sluice: 1
listen:
  http: "8080"
  admni: "127.0.0.1:9901"
observe:
  access_log: yes
backends:
  shop:
    sql:
      url: "mysql://shop"
endpoints:
  one:
    route: GET /one/{id}
    timeout: 5
    static:
      body: "{idd}"
  two:
    route: FETCH two
    policies:
      - timeout: 5
      - cors
    static:
      status: 42
      json:
        ok: true
`

func TestCheckFindsEveryMistake(t *testing.T) {
	t.Parallel()
	file := write(t, filepath.Join(t.TempDir(), "ten.yaml"), tenMistakes)
	code, _, err := runTool(t, "check", file)
	if code != exitMistakes {
		t.Errorf("exit code %d, want %d", code, exitMistakes)
	}
	for _, want := range []string{
		":3:9: listen.http", ":4:3: listen.admni: unknown key", ":6:15: observe.access_log", ":10:12: backends.shop.sql.url",
		":14:14: endpoints.one.timeout: timeout is a policy", `:16:15: endpoints.one.static.body: unknown name "idd"; did you mean id?`,
		":18:18: endpoints.two.route", ":20:18: endpoints.two.policies[0].timeout", ":21:9: endpoints.two.policies[1].cors",
		":23:15: endpoints.two.static.status",
	} {
		if !strings.Contains(err, want) {
			t.Errorf("want %q among\n%s", want, err)
		}
	}
	if !strings.Contains(err, "10 mistakes") {
		t.Errorf("want ten mistakes, each once:\n%s", err)
	}
}

func TestInitWritesWhatRuns(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	if code, _, err := runTool(t, "init", file); code != exitOK {
		t.Fatalf("init: %d %s", code, err)
	}
	if code, out, err := runTool(t, "check", file); code != exitOK || !strings.HasPrefix(out, "ok: ") {
		t.Errorf("check: %d %s %s", code, out, err)
	}
	if code, _, err := runTool(t, "init", file); code != exitFailed || !strings.Contains(err, "exists") {
		t.Errorf("a second init: got %d %s, want it to leave the file alone", code, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(file)); err != nil || len(entries) != 1 {
		t.Errorf("check left %v behind, %v", entries, err)
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	code, out, err := runTool(t, "routes", "../examples/gateway/sluice.yaml")
	if code != exitOK {
		t.Fatalf("%d %s", code, err)
	}
	for _, want := range []string{"GET", "/legacy/{rest...}", "find_items", "http", "use browser, timeout, compress, body_limit, headers"} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	tool, _, _ := newTool(nil)
	for _, k := range tool.kinds {
		if code, out, err := runTool(t, "explain", k.Name); code != exitOK || !strings.Contains(out, k.Name) {
			t.Errorf("explain %s: %d %s %s", k.Name, code, out, err)
		}
	}
	if code, _, err := runTool(t, "explain", "cros"); code != exitUsage || !strings.Contains(err, "did you mean cors?") {
		t.Errorf("got %d %s, want the nearest kind", code, err)
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	code, out, _ := runTool(t, "schema")
	if code != exitOK || !json.Valid([]byte(out)) {
		t.Errorf("got %d and a schema of %d bytes, want JSON", code, len(out))
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"fly"}, {"run", "--fast"}, {"migrate"}, {"migrate", "sideways"}, {"test"}, {"test", "--env", "X", "."}, {"version", "7"}} {
		if code, _, err := runTool(t, args...); code != exitUsage || !strings.Contains(err, "sluice: ") {
			t.Errorf("%q: got %d %q, want %d and why", args, code, err, exitUsage)
		}
	}
	for _, args := range [][]string{{"--help"}, {"version"}, {"run", "--help"}, {"completion", "bash"}} {
		if code, out, err := runTool(t, args...); code != exitOK || out == "" {
			t.Errorf("%q: got %d %q", args, code, err)
		}
	}
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	if code, _, err := runTool(t, "check", filepath.Join(t.TempDir(), "none.yaml")); code != exitMistakes || !strings.Contains(err, "there is no such file") {
		t.Errorf("got %d %s", code, err)
	}
}

func TestCheckFindsWhatRunWould(t *testing.T) {
	t.Parallel()
	file := write(t, filepath.Join(t.TempDir(), "sluice.yaml"), `sluice: 1
listen:
  https:
    address: ":0"
    certificates:
      - cert: none.pem
        key: none.key
observe:
  traces:
    endpoint: https://user:hunter2@collector:4317
endpoints:
  e:
    route: GET /
    static:
      body: hi
`)
	code, _, err := runTool(t, "check", file)
	for _, want := range []string{":3:3: listen.https: ", "none.pem", ":10:15: observe.traces.endpoint: not an OTLP endpoint", "2 mistakes"} {
		if code != exitMistakes || !strings.Contains(err, want) {
			t.Errorf("want %q, got %d %s", want, code, err)
		}
	}
	if strings.Contains(err, "hunter2") {
		t.Errorf("a password is shown: %s", err)
	}
	same := strings.Replace(hello("x"), "127.0.0.1:0", "127.0.0.1:8080", 2)
	write(t, file, same)
	if code, _, err := runTool(t, "check", file); code != exitMistakes || !strings.Contains(err, "listen.admin: http listens on 127.0.0.1:8080 already") {
		t.Errorf("one address twice: got %d %s", code, err)
	}
	write(t, file, "sluice: 1\nendpoints:\n  e:\n    route: GET /\n    static:\n      body: hi\n")
	if code, _, err := runTool(t, "check", file); code != exitMistakes || !strings.Contains(err, "nothing to listen on; want http, https or both") {
		t.Errorf("without an address: got %d %s", code, err)
	}
}
