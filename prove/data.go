package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// dataLoad is clients that write and read on several nodes, all the time.
type dataLoad struct {
	nodes            []*node
	ledger           onceLedger
	reads, writes    *tally
	refused, unknown atomic.Int64
	cancel           context.CancelFunc
	clients          sync.WaitGroup
}

// Numbers of the load.
const (
	dataWriters = 4
	dataReaders = 4
	dataPause   = 2 * time.Millisecond
)

// dataConfig writes in each of the ways there are: a statement, one that gives rows, and a transaction.
const dataConfig = `sluice: 1
listen: {http: "127.0.0.1:0", admin: "127.0.0.1:0"}
state:
  keys: ["0123456789abcdef0123456789abcdef0123456789abcdef"]
observe: {access_log: false}
backends:
  data:
    sql:
      url: "%s"
endpoints:
  item:
    route: GET /items/{id}
    input:
      id: {type: integer}
    sql:
      query: SELECT id, name FROM items WHERE id = $id
      returns: one
  write_0:
    route: POST /write/0
    input: {body: {type: object}}
    sql:
      query: INSERT INTO writes (id, step) VALUES ($body.id, 1)
      returns: none
  write_1:
    route: POST /write/1
    input: {body: {type: object}}
    sql:
      query: INSERT INTO writes (id, step) VALUES ($body.id, 1) RETURNING id
      returns: one
  write_2:
    route: POST /write/2
    input: {body: {type: object}}
    sql:
      tx:
        - query: INSERT INTO writes (id, step) VALUES ($body.id, 0) RETURNING id
          as: first
        - query: UPDATE writes SET step = 1 WHERE id = $first.id
          expect: {rows: 1}
    respond: {status: 204}
`

// startLoad starts nodes on servers, and clients on them. stop must be called.
func startLoad(ctx context.Context, s *stage, url string) (*dataLoad, error) {
	path, err := s.write("data.yaml", fmt.Sprintf(dataConfig, url))
	if err != nil {
		return nil, err
	}
	l := &dataLoad{reads: newTally(), writes: newTally()}
	for range failoverNodes {
		n, err := s.start(ctx, path)
		if err != nil {
			return nil, err
		}
		l.nodes = append(l.nodes, n)
	}
	ctx, l.cancel = context.WithCancel(ctx)
	for range dataWriters {
		l.clients.Go(func() { l.write(ctx) })
	}
	for range dataReaders {
		l.clients.Go(func() { l.read(ctx) })
	}
	return l, nil
}

// stop waits for the requests under way. It may be called more than once.
func (l *dataLoad) stop() {
	l.cancel()
	l.clients.Wait()
}

// write is the life of a client that writes.
func (l *dataLoad) write(ctx context.Context) {
	clients := clientsOf(l.nodes)
	defer closeAll(clients)
	for n := 0; rest(ctx, dataPause); n++ {
		id := l.ledger.begin()
		began := time.Now()
		a, err := clients[rand.IntN(len(clients))].do(postJSON(fmt.Sprintf("/write/%d", n%3), fmt.Sprintf(`{"id": %d}`, id)))
		o, err := outcomeOf(a, err)
		l.ledger.end(id, o)
		switch {
		case err != nil || o == acknowledged:
			l.writes.add(time.Since(began), false, err)
		case o == declined:
			l.refused.Add(1)
		default:
			l.unknown.Add(1)
		}
	}
}

// outcomeOf is what an answer says of a write. Only those that may be tried again say when.
func outcomeOf(a answer, err error) (outcome, error) {
	switch {
	case err != nil:
		return unknown, err
	case a.status >= 200 && a.status < 300:
		return acknowledged, nil
	case a.status == 503 && a.header.Get("Retry-After") != "":
		return declined, nil
	case a.status == 503 || a.status == 504:
		return unknown, nil
	}
	return unknown, fmt.Errorf("status %d: %.200s", a.status, a.body)
}

// read is the life of a client that reads.
func (l *dataLoad) read(ctx context.Context) {
	clients := clientsOf(l.nodes)
	defer closeAll(clients)
	for rest(ctx, dataPause) {
		id := rand.IntN(failoverItems)
		began := time.Now()
		a, err := clients[rand.IntN(len(clients))].do(get(fmt.Sprintf("/items/%d", id)))
		if err == nil {
			err = same(fmt.Appendf(nil, `{"id":%d,"name":"item %d"}`, id, id))(a)
		}
		l.reads.add(time.Since(began), false, err)
	}
}

// dataPhase is what was counted since the last one.
type dataPhase struct {
	name             string
	reads, writes    counts
	refused, unknown int64
}

func (l *dataLoad) phase(name string) dataPhase {
	return dataPhase{name, l.reads.take(), l.writes.take(), l.refused.Swap(0), l.unknown.Swap(0)}
}

func postJSON(path, body string) request {
	return request{"POST", fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: prove\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)}
}

// idsOf tells how often each id is among the writes that a server has.
func idsOf(p *servers.Postgres) map[int]int {
	found := make(map[int]int)
	for _, row := range p.Rows("postgres", "SELECT id FROM writes WHERE step = 1") {
		if id, err := strconv.Atoi(row[0]); err == nil {
			found[id]++
		} else {
			found[-1]++
		}
	}
	return found
}

// use is how many rows a server has written since its start, and how often it has looked for items.
func use(p *servers.Postgres) (written, read int) {
	p.Exec("SELECT pg_stat_force_next_flush()")
	row := p.Rows("postgres", `SELECT coalesce(sum(n_tup_ins) FILTER (WHERE relname = 'writes'), 0),
coalesce(sum(seq_scan + coalesce(idx_scan, 0)) FILTER (WHERE relname = 'items'), 0) FROM pg_stat_user_tables`)[0]
	written, _ = strconv.Atoi(row[0])
	read, _ = strconv.Atoi(row[1])
	return written, read
}
