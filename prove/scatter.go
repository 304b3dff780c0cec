package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// scatterTrial is the claim that three shards answer like one database: random tables, and random queries over them, each
// asked of both.
type scatterTrial struct {
	stage  *stage
	shards []*servers.Postgres
	whole  *servers.Postgres
	seed   uint64
	rounds []*scatterRound
}

// Numbers of the claim.
const (
	scatterTables = 3   // of each round
	scatterRows   = 150 // of each table
)

// scatterRound is the queries over tables that are spread in one way.
type scatterRound struct {
	key     keySort
	sqlite  bool
	tables  []*table
	queries []*query

	spread [][]int        // of each table the rows of each shard
	places map[string]int // on which shard an id of a table stands: "t0 17"
	scatterCounts
}

func scatter(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("prove scatter", flag.ContinueOnError)
	queries := flags.Int("queries", 500, "generated queries")
	seed := flags.Uint64("seed", rand.Uint64(), "what they are generated from; the same seed gives the same")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	t := &scatterTrial{stage: s, seed: *seed}
	err = servers.Within(os.Stderr, func(o servers.Owner) error {
		progress(fmt.Sprintf("starting 4 PostgreSQL servers; seed %d", *seed))
		for _, c := range servers.StartShards(o, servers.Options{}, 4, 0) {
			t.shards = append(t.shards, c.Primary)
		}
		t.shards, t.whole = t.shards[:3], t.shards[3]
		began := time.Now()
		if err := t.run(ctx, *queries); err != nil {
			return fmt.Errorf("%w\nseed %d", err, *seed)
		}
		t.print(time.Since(began))
		return nil
	})
	if err != nil {
		return err
	}
	return t.verdict()
}

// run makes the rounds: rows spread by each sort of key over PostgreSQL, and by one over SQLite.
func (t *scatterTrial) run(ctx context.Context, queries int) error {
	for _, k := range keySorts() {
		t.rounds = append(t.rounds, &scatterRound{key: k})
	}
	t.rounds = append(t.rounds, &scatterRound{key: keySorts()[0], sqlite: true})
	for i, r := range t.rounds {
		d := dice{rand.New(rand.NewPCG(t.seed, uint64(i)))}
		for n := range scatterTables {
			r.tables = append(r.tables, makeTable(d, fmt.Sprintf("t%d", n), r.key, r.sqlite, scatterRows))
		}
		for n := range (queries + i) / len(t.rounds) {
			r.queries = append(r.queries, makeQuery(d, n, r.tables))
		}
		if err := t.round(ctx, i, r); err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
	}
	return nil
}

func (r *scatterRound) String() string {
	if r.sqlite {
		return r.key.hash + " keys on SQLite"
	}
	return r.key.hash + " keys on PostgreSQL"
}

// round fills the databases through Sluice, and asks all queries of both.
func (t *scatterTrial) round(ctx context.Context, number int, r *scatterRound) error {
	progress(fmt.Sprintf("%s: %d queries over %d tables of %d rows", r, len(r.queries), len(r.tables), scatterRows))
	path, err := t.stage.write(fmt.Sprintf("scatter%d.yaml", number), r.config(t.databases(number, r)))
	if err != nil {
		return err
	}
	n, err := t.stage.start(ctx, path)
	if err != nil {
		return err
	}
	defer n.kill()
	c := client{address: n.http}
	defer c.close()
	if err := r.fill(ctx, &c); err != nil {
		return err
	}
	if err := r.find(&c); err != nil {
		return err
	}
	for _, q := range r.queries {
		for _, values := range q.asks {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := r.compare(&c, q, values); err != nil {
				return err
			}
		}
	}
	return nil
}

// databases makes the databases of a round, and returns the URLs of the shards and of the one. Those of PostgreSQL order
// texts as people do.
func (t *scatterTrial) databases(number int, r *scatterRound) (shards []string, whole string) {
	name := fmt.Sprintf("round%d", number)
	if r.sqlite {
		for i := range t.shards {
			shards = append(shards, fmt.Sprintf("sqlite:%s-%d.db", name, i))
		}
		return shards, "sqlite:" + name + ".db"
	}
	for _, p := range append(slices.Clone(t.shards), t.whole) {
		p.Exec("CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
		shards = append(shards, p.URL(name))
	}
	return shards[:len(t.shards)], shards[len(t.shards)]
}

// config has each endpoint twice: on three shards, and on one database.
func (r *scatterRound) config(shards []string, whole string) string {
	var schema, y strings.Builder
	for _, t := range r.tables {
		fmt.Fprintf(&schema, "        %s;\n", t.create(r.sqlite))
	}
	fmt.Fprintf(&y, `sluice: 1
listen: {http: "127.0.0.1:0", admin: "127.0.0.1:0"}
observe: {access_log: false}
backends:
  one:
    sql:
      url: "%s"
      schema: |
%s  three:
    sql:
      shards: {a: "%s", b: "%s", c: "%s"}
      shard_by: {hash: %s}
      schema: |
%sendpoints:
`, whole, schema.String(), shards[0], shards[1], shards[2], r.key.hash, schema.String())
	for _, b := range backends() {
		for _, t := range r.tables {
			fmt.Fprintf(&y, `  %[1]s_write_%[2]s:
    route: POST /%[1]s/%[2]s
    input: {body: {type: object}}
    sql: {backend: %[1]s, query: %[3]q, shard: body.k}
  %[1]s_ids_%[2]s:
    route: GET /%[1]s/%[2]s
    sql: {backend: %[1]s, query: "SELECT id FROM %[2]s ORDER BY id", scatter: {}}
`, b, t.name, t.insert())
		}
		for _, q := range r.queries {
			y.WriteString(q.endpoint(b, r.sqlite))
		}
	}
	return y.String()
}

// backends are those that are compared.
func backends() []string { return []string{"one", "three"} }

// fill writes all rows to both.
func (r *scatterRound) fill(ctx context.Context, c *client) error {
	for _, t := range r.tables {
		for _, row := range t.rows {
			for _, b := range backends() {
				q := post("/"+b+"/"+t.name, []byte(t.body(row)))
				q.bytes = []byte(strings.Replace(string(q.bytes), "application/octet-stream", "application/json", 1))
				a, err := c.do(q)
				if err == nil {
					err = same([]byte(`{"count":1}`))(a)
				}
				if err != nil {
					return fmt.Errorf("writing %s: %w", t.body(row), err)
				}
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}

// find finds on which shard each row stands: an unordered answer has the rows of one shard behind those of the other,
// and each shard gives its ids upwards.
func (r *scatterRound) find(c *client) error {
	r.places = make(map[string]int)
	for _, t := range r.tables {
		a, err := c.do(get("/three/" + t.name))
		if err != nil {
			return err
		}
		var rows []struct{ ID int }
		if err := json.Unmarshal(a.body, &rows); err != nil {
			return fmt.Errorf("%w: status %d: %.200s", err, a.status, a.body)
		}
		spread := []int{0}
		for i, row := range rows {
			if i > 0 && row.ID < rows[i-1].ID {
				spread = append(spread, 0)
			}
			spread[len(spread)-1]++
			r.places[fmt.Sprint(t.name, " ", row.ID)] = len(spread)
		}
		if len(spread) != 3 || len(rows) != len(t.rows) {
			return fmt.Errorf("the shards have %v of the %d rows of %s; want some on each of 3", spread, len(t.rows), t.name)
		}
		r.spread = append(r.spread, spread)
	}
	return nil
}

func (t *scatterTrial) verdict() error {
	var all scatterCounts
	var errs []error
	for _, r := range t.rounds {
		all.add(r.scatterCounts)
		for _, d := range r.differences {
			errs = append(errs, fmt.Errorf("%s: %s", r, d))
		}
	}
	if all.different > 0 {
		errs = append(errs, fmt.Errorf("%d of %d answers differ; want none. seed %d", all.different, all.answers, t.seed))
	}
	if all.empty*3 > all.answers || all.mixed*3 < all.answers {
		errs = append(errs, fmt.Errorf("of %d answers %d are empty and %d have rows of several shards, which proves little", all.answers, all.empty, all.mixed))
	}
	return errors.Join(errs...)
}

func (t *scatterTrial) print(took time.Duration) {
	var all scatterCounts
	queries := 0
	shapes := make(map[string]int)
	for _, r := range t.rounds {
		all.add(r.scatterCounts)
		queries += len(r.queries)
		for _, q := range r.queries {
			shapes[q.shape]++
		}
	}
	fmt.Printf(`
scatter: generated queries over 3 shards, and over one database that holds everything; seed %d
  queries             %d, each asked %d times with other values, in %s
  of them             %d in order, %d in order with a limit, %d in pages, %d merged, %d of rows in any order, %d of one row, %d counts, %d without an answer
  answers             %d: %d equal, %d of these byte for byte; %d differ
  among them          %d with rows of several shards, %d empty, %d errors, which are the same too; %d rows, %d pages
`, t.seed, queries, asksEach, seconds(took),
		shapes["order"], shapes["limit"], shapes["page"], shapes["merge"], shapes["rows"], shapes["one"], shapes["count"], shapes["none"],
		all.answers, all.answers-all.different, all.exact, all.different,
		all.mixed, all.empty, all.errors, all.rows, all.pages)
	for _, r := range t.rounds {
		fmt.Printf("  %-18s  %d queries; rows on the shards: %v\n", r, len(r.queries), r.spread)
	}
}
