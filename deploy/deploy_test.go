package deploy_test

import (
	"bytes"
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

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// patience is how long something may take on a machine that is busy.
const patience = 2 * time.Minute

// TestCompose serves the config of compose.yaml on real servers, with an API node and a worker.
func TestCompose(t *testing.T) {
	t.Parallel()
	servers.Need(t, "postgres", "redis-server", "rabbitmq-server")
	a, b := servers.StartPostgres(t, servers.Options{}), servers.StartPostgres(t, servers.Options{})
	s := setup(t, "compose/sluice.yaml", "CATALOG_URL="+a.Database("catalog"), "SHARD_A_URL="+a.Database("users"),
		"SHARD_B_URL="+b.Database("users"), "JOBS_URL="+a.Database("jobs"))
	s.run("--roles", "worker")
	api := s.run("--roles", "api")

	want(t, api, "GET /products/1", "", 200, `"chair"`)
	want(t, api, "PUT /products/1/price", `{"price_cents": 5900}`, 200, `5900`)
	want(t, api, "GET /products/1", "", 200, `5900`)
	for id := range 20 {
		want(t, api, fmt.Sprintf("PUT /users/%d", id), `{"name": "Ada"}`, 200, `"Ada"`)
		want(t, api, fmt.Sprintf("GET /users/%d", id), "", 200, `"Ada"`)
	}
	for name, p := range map[string]*servers.Postgres{"a": a, "b": b} {
		if rows := p.Rows("users", "SELECT id FROM users"); len(rows) == 0 || len(rows) == 20 {
			t.Errorf("of 20 users %d are on the shard %s", len(rows), name)
		}
	}
	report(t, api, `"products":3`)
}

// TestKubernetes migrates with the config of the manifests, as the init container does, and serves it.
func TestKubernetes(t *testing.T) {
	t.Parallel()
	servers.Need(t, "postgres", "redis-server", "rabbitmq-server")
	p := servers.StartPostgres(t, servers.Options{})
	s := setup(t, "kubernetes/config/sluice.yaml", "DATABASE_URL="+p.Database("shop"), "JOBS_URL="+p.Database("jobs"))
	migrations := filepath.Join(s.dir, "migrations")
	if err := os.Mkdir(migrations, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(migrations, "00001_products.sql"), read(t, "kubernetes/config/00001_products.sql"))
	for range 2 { // the second finds nothing to do
		migrate := exec.Command(s.program, "migrate", "up", s.file)
		migrate.Env = s.env
		if out, err := migrate.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	s.run("--roles", "worker")
	api := s.run("--roles", "api")

	made := want(t, api, "POST /products", `{"name": "chair", "price_cents": 4900}`, 201, `"chair"`)
	var product struct{ ID json.Number }
	if err := json.Unmarshal(made, &product); err != nil {
		t.Fatal(err)
	}
	want(t, api, "GET /products/"+product.ID.String(), "", 200, `"chair"`)
	want(t, api, "GET /products", "", 200, `"chair"`)
	report(t, api, `"products":1`)
}

// report has a report made, and waits for it.
func report(t *testing.T, api, result string) {
	t.Helper()
	accepted := want(t, api, "POST /reports", "", 202, "")
	var job struct{ ID string }
	if err := json.Unmarshal(accepted, &job); err != nil || job.ID == "" {
		t.Fatalf("%v: %s", err, accepted)
	}
	await(t, "the report is made", func() error {
		status, body, err := ask(api, "GET /_jobs/"+job.ID+"/result", "")
		if err == nil && (status != 201 || !strings.Contains(string(body), result)) {
			err = fmt.Errorf("%d %s", status, body)
		}
		return err
	})
}

// system is a config with the servers that it needs.
type system struct {
	t                  *testing.T
	dir, program, file string
	env                []string
}

// setup copies a config, with the migrations beside it, into a folder, and starts what all configs need.
func setup(t *testing.T, config string, env ...string) *system {
	t.Helper()
	dir := t.TempDir()
	s := &system{t: t, dir: dir, program: filepath.Join(dir, "sluice"), file: filepath.Join(dir, "sluice.yaml")}
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", s.program, "../cmd/sluice").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	write(t, s.file, read(t, config))
	beside := filepath.Join(filepath.Dir(config), "migrations")
	if _, err := os.Stat(beside); err == nil {
		if err := os.CopyFS(filepath.Join(dir, "migrations"), os.DirFS(beside)); err != nil {
			t.Fatal(err)
		}
	}
	redis := servers.StartRedis(t, servers.RedisOptions{})
	rabbit := servers.StartRabbitMQ(t, servers.RabbitMQOptions{})
	s.env = append(append(os.Environ(), env...), "REDIS_URL="+redis.URL(), "BELL_URL="+rabbit.URL(), "SLUICE_KEY=0123456789abcdef0123456789abcdef")
	return s
}

// run starts a node, waits until it is ready, and is its address.
func (s *system) run(args ...string) (api string) {
	t := s.t
	t.Helper()
	api, admin := free(t), free(t)
	overlay := filepath.Join(s.dir, strings.ReplaceAll(admin, ":", "-")+".yaml")
	write(t, overlay, fmt.Sprintf("sluice: 1\nlisten: {http: %q, admin: %q, drain: {delay: 0s}}\n", api, admin))
	var said bytes.Buffer
	node := exec.Command(s.program, append(append([]string{"run"}, args...), s.file, overlay)...)
	node.Env, node.Stdout, node.Stderr = s.env, &said, &said
	node.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = node.Process.Signal(syscall.SIGTERM) // one that has ended already is told of below
		kill := time.AfterFunc(patience, func() { _ = node.Process.Kill() })
		err := node.Wait()
		kill.Stop()
		if err != nil || t.Failed() {
			t.Errorf("a node %v: %v\n%s", args, err, said.Bytes())
		}
	})
	await(t, "a node is ready", func() error {
		status, body, err := ask(admin, "GET /readyz", "")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %s", status, body)
		}
		return err
	})
	return api
}

// ask makes a request, such as GET /products.
func ask(address, what, body string) (status int, answer []byte, err error) {
	method, path, _ := strings.Cut(what, " ")
	r, err := http.NewRequest(method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	client := http.Client{Timeout: patience}
	got, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer got.Body.Close()
	answer, err = io.ReadAll(got.Body)
	return got.StatusCode, answer, err
}

// want makes a request that must have this status, and an answer with text in it.
func want(t *testing.T, address, what, body string, status int, text string) (answer []byte) {
	t.Helper()
	got, answer, err := ask(address, what, body)
	if err != nil || got != status || !strings.Contains(string(answer), text) {
		t.Fatalf("%s: %d %s %v; want %d with %s", what, got, answer, err, status, text)
	}
	return answer
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
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
