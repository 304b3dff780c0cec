package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ledger knows of each item which versions were acknowledged, and when. Its methods may be called at once.
type ledger struct {
	mu    sync.Mutex // guards what follows
	items [][]time.Time
	most  time.Duration
}

func newLedger(items int) *ledger { return &ledger{items: make([][]time.Time, items)} }

// begin is the next version of an item, which is about to be written. Versions count from 1; at first there is 0.
func (l *ledger) begin(item int) (version int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items[item] = append(l.items[item], time.Time{})
	return len(l.items[item])
}

// acknowledge notes that a version was acknowledged.
func (l *ledger) acknowledge(item, version int, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items[item][version-1] = at
}

// late is how long before asked a later version than the one that was read had been acknowledged; zero when none had.
func (l *ledger) late(item, version int, asked time.Time) (late time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range l.items[item][min(version, len(l.items[item])):] {
		if !at.IsZero() {
			late = max(late, asked.Sub(at))
		}
	}
	l.most = max(l.most, late)
	return late
}

// last is the last version of an item that was written.
func (l *ledger) last(item int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.items[item])
}

// latest is the longest that late has found.
func (l *ledger) latest() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.most
}

// versionOf is the version in an answer.
func versionOf(a answer) (int, error) {
	var body struct{ Version *int }
	if err := json.Unmarshal(a.body, &body); a.status != 200 || err != nil || body.Version == nil {
		return 0, fmt.Errorf("status %d: %.200s", a.status, a.body)
	}
	return *body.Version, nil
}

func getItem(item int, token string) request {
	r := get("/items/" + strconv.Itoa(item))
	if token != "" {
		r.bytes = []byte(strings.Replace(string(r.bytes), "\r\n\r\n", "\r\nConsistency-Token: "+token+"\r\n\r\n", 1))
	}
	return r
}

func put(item, version int) request {
	body := fmt.Sprintf(`{"version": %d}`, version)
	return request{"PUT", fmt.Appendf(nil, "PUT /items/%d HTTP/1.1\r\nHost: prove\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		item, len(body), body)}
}

// clientsOf is a client for each of the nodes.
func clientsOf(nodes []*node) []client {
	all := make([]client, len(nodes))
	for i, n := range nodes {
		all[i].address = n.http
	}
	return all
}

func closeAll(clients []client) {
	for i := range clients {
		clients[i].close()
	}
}

// writeFresh writes the config of all nodes, with the items of its database. They share a SQLite file, as processes on
// one machine can. What Redis is given to answer is more than it needs on a busy machine: what is proved here is not
// what happens when it is given up.
func (s *stage) writeFresh(redis string) (path string, err error) {
	files := [][2]string{
		{"migrations/00001_items.sql", "-- +goose Up\nCREATE TABLE items (id INTEGER PRIMARY KEY, version INTEGER NOT NULL);\n"},
		{"seed/01_items.sql", fmt.Sprintf("INSERT INTO items WITH RECURSIVE n(id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM n WHERE id < %d) SELECT id, 0 FROM n;\n", freshItems-1)},
		{"fresh.yaml", fmt.Sprintf(freshConfig, redis)},
	}
	for _, f := range files {
		if path, err = s.write(f[0], f[1]); err != nil {
			return "", err
		}
	}
	return path, nil
}

const freshConfig = `sluice: 1
listen:
  http: "127.0.0.1:0"
  admin: "127.0.0.1:0"
state:
  redis:
    url: "%s"
    timeout: 2s
  keys: ["0123456789abcdef0123456789abcdef0123456789abcdef"]
observe:
  access_log: false
backends:
  items:
    sql:
      url: sqlite:items.db
      migrations: migrations/
      seed: seed/
endpoints:
  item:
    route: GET /items/{id}
    input:
      id: {type: integer}
    policies:
      - cache: {ttl: 1h, tags: ["item:{id}"]}
    sql:
      query: SELECT id, version FROM items WHERE id = $id
      returns: one
  write_item:
    route: PUT /items/{id}
    input:
      id: {type: integer}
      body: {type: object}
    policies:
      - invalidate: {tags: ["item:{id}"]}
    sql:
      query: UPDATE items SET version = $body.version WHERE id = $id RETURNING id, version
      returns: one
  cold:
    route: GET /cold/{id}
    policies:
      - cache: {ttl: 1h, tags: ["cold:{id}"]}
    sql:
      query: |
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
        SELECT $id AS id, max(i) AS work FROM n
      returns: one
`
