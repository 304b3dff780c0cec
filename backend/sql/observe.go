package sql

import (
	"log/slog"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// log is the log of a database.
func (s *shard) log(env *sluice.Env) *slog.Logger {
	if s.name == "" {
		return env.Log
	}
	return env.Log.With("shard", s.name)
}

// labels are those of the series of a database.
func (s *shard) labels(env *sluice.Env) []sluice.Label {
	labels := []sluice.Label{{Name: "backend", Value: env.Name}}
	if s.name != "" {
		labels = append(labels, sluice.Label{Name: "shard", Value: s.name})
	}
	return labels
}

// measureFile makes the series of a SQLite file.
func (s *shard) measureFile(env *sluice.Env, db *sqlite.DB) {
	labels := s.labels(env)
	gauge := func(name, help string, read func() float64) {
		env.Metrics.Gauge("sluice_sql_"+name, help, read, labels...)
	}
	total := func(name, help string, read func() float64) {
		env.Metrics.Total("sluice_sql_"+name, help, read, labels...)
	}
	gauge("readers", "Connections that read", func() float64 { return float64(db.Stats().Readers) })
	gauge("readers_in_use", "Connections that read now", func() float64 { return float64(db.Stats().InUse) })
	gauge("long_answers", "Answers that hold a connection while the client reads", func() float64 { return float64(len(s.long)) })
	total("reader_waits_total", "Reads that waited for a free connection", func() float64 { return float64(db.Stats().Waits) })
	total("writes_total", "Writes that were committed", func() float64 { return float64(db.Stats().Writes) })
	total("commits_total", "Transactions that writes were committed in", func() float64 { return float64(db.Stats().Commits) })
	total("writes_again_total", "Writes that ran again because the transaction they shared was lost",
		func() float64 { return float64(db.Stats().Again) })
}

// watch observes the calls of one endpoint.
type watch struct {
	dialect   *dialect
	took      sluice.Histogram
	now       func() time.Time
	span      string
	operation string
	namespace string
	text      string
	// bound is set where values of requests are bound to the statement.
	bound bool
}

// call is one use of the database.
type call struct {
	watch *watch
	span  sluice.Span
	start time.Time
}

func (b *backend) watching(env *sluice.Env, ep *sluice.Endpoint, operation, text string) watch {
	return watch{bound: true,
		dialect: b.dialect,
		took: env.Metrics.Histogram("sluice_sql_duration_seconds", "Time from asking for a connection until the last row or the commit",
			sluice.Label{Name: "backend", Value: b.name}, sluice.Label{Name: "endpoint", Value: ep.Name}),
		now: env.Now, span: operation + " " + b.name, operation: operation, namespace: b.shards[0].namespace, text: text,
	}
}

func (w *watch) begin(x *sluice.Exchange) call {
	c := call{watch: w, span: x.Child(w.span), start: w.now()}
	if c.span.Recording() {
		c.span.SetText("db.system.name", w.dialect.system)
		c.span.SetText("db.namespace", w.namespace)
		c.span.SetText("db.operation.name", w.operation)
		if w.text != "" {
			c.span.SetText("db.query.text", w.text)
		}
	}
	return c
}

// end ends the call and makes of its failure what the client may see.
func (c *call) end(err error) error {
	c.watch.took.Observe(c.watch.now().Sub(c.start))
	err = c.watch.dialect.toClient(err)
	if e, ok := err.(*sluice.Error); ok && e.Message == msgUnfit && !c.watch.bound {
		err = &sluice.Error{Code: sluice.Internal, Err: e.Err} // no value of a request is at fault
	}
	c.span.End(err)
	return err
}
