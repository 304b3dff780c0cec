package sql

import (
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/sluiceapi/sluice"
)

//go:embed where.go
var whereSource string

// defaults are the values of the keys that a block leaves out.
var defaults = Where{
	Synchronous: "normal", BusyTimeout: 5 * time.Second, Migrate: "on_start",
	Pool:     Pool{Max: 16, Lines: 2, MinIdle: 2, IdleTimeout: 5 * time.Minute, Lifetime: 30 * time.Minute, AcquireTimeout: time.Second},
	Replicas: Replicas{MaxLag: 5 * time.Second, ProbeInterval: 200 * time.Millisecond},
}

// Where names a database, or the shards of one, and says how it is made. At the first start a SQLite file is made; in it
// as in PostgreSQL come first the migrations, then `schema`, then `seed`. Several processes may start at once: one works,
// the others wait.
//
// A SQLite file is for one node. PostgreSQL is for any number of them: the same endpoints, where the SQL is portable.
// When it cannot be reached at start the node goes on trying, and is not ready until then; what fails later is reported,
// and answered with 503.
type Where struct {
	// The database: `sqlite:FILE`, with a path relative to this file, or `postgres://USER:PASSWORD@HOST:PORT/NAME`. Several
	// hosts with commas between them are servers of the same data: which one is the primary is found out, also when
	// another becomes it. For services with fixed addresses of writer and readers, `primary` and `replicas` name them. Behind a `?`
	// stand PostgreSQL's own parameters: sslmode, sslrootcert, sslcert, sslkey, sslpassword, sslnegotiation, channel_binding,
	// require_auth, connect_timeout, application_name, options (settings of sessions: `options=-c%20work_mem=8MB`), host and port.
	URL Servers `yaml:"url,short"`
	// Several databases of the same tables, each with a part of the rows. A name is for good: it is kept with the data.
	Shards sluice.Map[Servers] `yaml:"shards" names:"name"`
	// How the rows are spread over the shards.
	ShardBy *ShardBy `yaml:"shard_by"`
	// The connections to each PostgreSQL server.
	Pool Pool `yaml:"pool"`
	// When a replica of PostgreSQL may answer.
	Replicas Replicas `yaml:"replicas"`
	// A folder of numbered .sql files in goose's format. With shards they are applied to the first one, and when that has gone
	// well to the others. A file named NAME.postgres.sql or NAME.sqlite.sql is for that sort of database only.
	MigrationFiles sluice.Path `yaml:"migrations"`
	// When migrations are applied: on_start those that the database has not seen, or never, which leaves them to
	// `sluice migrate`.
	Migrate string `yaml:"migrate" enum:"on_start,never"`
	// A folder of .sql files that fill an empty database: they run once, in the order of their names and in one
	// transaction, if no table holds a row. The table `sluice_seed` records that. In a shard, `sluice_here(KEY)` is true for
	// the keys that belong there, and everywhere else for all. Names say for which database a file is, as in migrations.
	Seed sluice.Path `yaml:"seed"`
	// SQL that runs at every start, for what is too small for migrations. It must bear being run again
	// (CREATE TABLE IF NOT EXISTS).
	Schema string `yaml:"schema"`
	// SQLite: how many connections read at once; left out, it is four times the number of processors and at least 8. At most
	// half of them are lent to long answers, so that slow clients do not keep short ones waiting. A request waits 2 s for a
	// free one; then the client gets 503.
	Readers int `yaml:"readers" min:"1" max:"256"`
	// SQLite: when a commit is on disk. With normal the last commits can be lost when the power fails, never when the
	// process dies, and the file stays whole; full waits for the disk at each commit.
	Synchronous string `yaml:"synchronous" enum:"normal,full"`
	// SQLite: how long a write waits while another process writes to the file; then the client gets 503.
	BusyTimeout time.Duration `yaml:"busy_timeout" min:"1ms"`
}

// Servers are those of one database: the address of all of them, or of the primary and the replicas.
type Servers struct {
	// The address of the file or the servers.
	URL URL `yaml:"url,short"`
	// The address at which the primary is always found.
	Primary URL `yaml:"primary"`
	// The addresses of replicas.
	Replicas []URL `yaml:"replicas"`
}

// ShardBy says to which shard a row belongs: by a hash of its key, which spreads them evenly, or by a list.
type ShardBy struct {
	// The type of the key: int8 for whole numbers, text, or uuid. Its hash, that of PostgreSQL's own partitions, gives one
	// of 4096 slots. At the first start the slots are dealt out evenly to the shards and that is kept in the databases; no
	// later edit of this file moves a row.
	Hash string `yaml:"hash" enum:"int8,text,uuid"`
	// The shard of each value of the key, such as a region or a tenant.
	List sluice.Map[string] `yaml:"list"`
	// The shard of values that the list does not name. Without it such a request is a 400.
	Default string `yaml:"default"`
}

// Pool bounds the connections of one node to one PostgreSQL server.
type Pool struct {
	// The most connections, for reads and writes together, lines among them. At most half of them are lent to long answers,
	// so that slow clients do not keep short ones waiting.
	Max int `yaml:"max" min:"1" max:"10000"`
	// How many of the connections are lines, which reads share: what many clients ask at the same moment goes to the server
	// together. Those that are quick and call no volatile function share a transaction: they can do nothing to each other,
	// and now() is the same for them. Each other is a transaction of its own, and so are all where the session's
	// default_transaction_isolation is serializable. So a few connections serve more reads than many did, with less work on both sides. Statements that
	// turn out to be slow or to give many rows have a connection of their own, as transactions, writes and long answers have.
	// More lines are of use where one node reads more than a few processors of the server can answer; 0 turns them off. Less
	// than half of max may be lines: with a max of 2 there are none.
	Lines int `yaml:"lines" min:"0" max:"64"`
	// How many are kept open when there is little to do.
	MinIdle int `yaml:"min_idle" min:"0"`
	// After what time without use a connection above min_idle is closed.
	IdleTimeout time.Duration `yaml:"idle_timeout" min:"1s"`
	// How old a connection becomes, a tenth more or less.
	Lifetime time.Duration `yaml:"lifetime" min:"1s"`
	// How long a request waits for a free connection; then the client gets 503.
	AcquireTimeout time.Duration `yaml:"acquire_timeout" min:"1ms"`
}

// Replicas says when a replica may answer a GET. What is unknown of a replica is not taken to be good.
type Replicas struct {
	// How far a replica may be behind the primary.
	MaxLag time.Duration `yaml:"max_lag" min:"1ms" max:"20s"`
	// How often each server is asked what it is and how far it has come.
	ProbeInterval time.Duration `yaml:"probe_interval" min:"10ms" max:"5s"`
}

// Check holds the rules among the keys.
func (w *Where) Check() error {
	given := !w.URL.isZero()
	switch {
	case given && len(w.Shards) > 0:
		return sluice.At("shards", errors.New("a backend is one database or several shards; want url or shards"))
	case !given && len(w.Shards) == 0:
		return errors.New("there is no database; want url or shards")
	case given && w.ShardBy != nil:
		return sluice.At("shard_by", errors.New("one database has no shards; want shards, or url alone"))
	case len(w.Shards) > 1 && w.ShardBy == nil:
		return sluice.At("shards", errors.New("it is not told which rows stand where; want shard_by"))
	}
	errs := []error{w.checkPool()}
	var sort *dialect
	for i, s := range w.databases() {
		at := "url"
		if len(w.Shards) > 0 {
			at = "shards." + s.name
		}
		errs = append(errs, sluice.At(at, s.servers.check()))
		if i > 0 && s.servers.dialect() != sort {
			errs = append(errs, sluice.At(at, fmt.Errorf("it is of another sort than the shards above; want %s for all", sort.name)))
			continue
		}
		sort = s.servers.dialect()
	}
	if w.ShardBy != nil {
		errs = append(errs, w.ShardBy.check(w.Shards))
	}
	return errors.Join(errs...)
}

func (w *Where) checkPool() error {
	if w.Pool.MinIdle > max(w.Pool.Max, defaults.Pool.MinIdle) { // who leaves it out may want one connection
		return sluice.At("pool.min_idle", fmt.Errorf("it is more than max, which is %d", w.Pool.Max))
	}
	if most := (w.Pool.Max - 1) / 2; w.Pool.Lines > max(most, defaults.Pool.Lines) { // who leaves it out may want few connections
		return sluice.At("pool.lines", fmt.Errorf("more than half of the connections must be left for what can not be shared; want at most %d where max is %d", most, w.Pool.Max))
	}
	return nil
}

func (b *ShardBy) check(shards sluice.Map[Servers]) error {
	if (b.Hash == "") == (len(b.List) == 0) {
		return sluice.At("shard_by", errors.New("rows are spread by a hash or by a list; want one of the two"))
	}
	var errs []error
	for _, e := range b.List {
		errs = append(errs, sluice.At("shard_by.list."+e.Name, known(shards, e.Value)))
	}
	if b.Default != "" {
		errs = append(errs, sluice.At("shard_by.default", known(shards, b.Default)))
		if b.Hash != "" {
			errs = append(errs, sluice.At("shard_by.default", errors.New("a hash leaves no key out; want it with list")))
		}
	}
	return errors.Join(errs...)
}

// known refuses the name of a shard that there is not.
func known(shards sluice.Map[Servers], name string) error {
	var names []string
	for _, s := range shards {
		if s.Name == name {
			return nil
		}
		names = append(names, s.Name)
	}
	if near := sluice.Nearest(name, names); near != "" {
		return fmt.Errorf("there is no shard %q; did you mean %s?", name, near)
	}
	return fmt.Errorf("there is no shard %q; want one of %v", name, names)
}

func (s *Servers) isZero() bool {
	return s.URL.isZero() && s.Primary.isZero() && len(s.Replicas) == 0
}

func (s *Servers) check() error {
	switch {
	case s.URL.isZero() && s.Primary.isZero():
		return sluice.At("primary", errors.New("replicas alone can only be read; want primary too, or url"))
	case !s.URL.isZero() && (!s.Primary.isZero() || len(s.Replicas) > 0):
		return errors.New("the servers stand in one address or have one each; want url, or primary and replicas")
	case !s.Primary.isZero() && s.Primary.isFile():
		return sluice.At("primary", errors.New("a SQLite file has no replicas; want url"))
	}
	for i := range s.Replicas {
		if s.Replicas[i].isFile() {
			return sluice.At(fmt.Sprintf("replicas[%d]", i), errors.New("a SQLite file is no replica; want postgres://…"))
		}
	}
	if s.URL.isFile() {
		return nil
	}
	_, err := s.servers()
	return err
}

// dialect is the sort of database that the servers are.
func (s *Servers) dialect() *dialect {
	if s.URL.isFile() {
		return sqliteDialect
	}
	return postgresDialect
}

// named are the servers of a shard; the name is "" where there are no shards.
type named struct {
	name    string
	servers *Servers
}

// databases are those of the backend, in the order of the file.
func (w *Where) databases() []named {
	if len(w.Shards) == 0 {
		return []named{{"", &w.URL}}
	}
	var all []named
	for i := range w.Shards {
		all = append(all, named{w.Shards[i].Name, &w.Shards[i].Value})
	}
	return all
}

// NodeBound says that a SQLite file is one node's.
func (w *Where) NodeBound() string {
	for _, d := range w.databases() {
		if d.servers.URL.isFile() {
			return "the other nodes do not see this node's SQLite file " + d.servers.URL.Path + "; want a database server that all nodes reach, or nodes: 1"
		}
	}
	return ""
}
