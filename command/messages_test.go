package command

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// Only a process that works takes messages.
func TestMessagesAndRoles(t *testing.T) {
	t.Parallel()
	r := servers.StartRabbitMQ(t, servers.RabbitMQOptions{})
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "sluice.yaml"), `sluice: 1
listen:
  http: 127.0.0.1:0
state:
  bell: "${BROKER_URL}"
backends:
  events:
    publish: "${BROKER_URL}"
  db:
    sql:
      url: "sqlite:orders.db"
      migrations: migrations/
endpoints:
  place:
    route: POST /orders
    publish:
      to: orders
  keep:
    route: consume events orders
    sql:
      query: INSERT INTO orders VALUES ($body.id)
  count:
    route: GET /orders
    sql:
      query: SELECT count(*) AS n FROM orders
      returns: one
`)
	if err := os.Mkdir(filepath.Join(dir, "migrations"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "migrations", "00001_orders.sql"), "-- +goose Up\nCREATE TABLE orders (id INTEGER);\n")
	env := map[string]string{"BROKER_URL": r.URL()}
	post := func(s *serving, path, body string) int {
		t.Helper()
		resp, err := http.Post("http://"+s.at.HTTP+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	api := serveAs(t, roles{api: true}, env, file)
	for range 5 {
		if status := post(api, "/orders", `{"id": 1}`); status != 202 {
			t.Fatalf("answered %d", status)
		}
	}
	if _, body := api.get(t, "/orders"); body != `{"n":0}` {
		t.Errorf("a process that only accepts has worked: %s", body)
	}
	worker := serveAs(t, roles{worker: true}, env, file)
	for until := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) {
		_, body := api.get(t, "/orders")
		if body == `{"n":5}` {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("not all are worked on: %s\n%s", body, worker.err)
		}
	}
}
