package sql

import (
	"time"

	"github.com/sluiceapi/sluice"
)

// measure makes the series of the database.
func (b *backend) measure(env *sluice.Env) {
	label := sluice.Label{Name: "backend", Value: env.Name}
	gauge := func(name, help string, read func() float64) { env.Metrics.Gauge("sluice_sql_"+name, help, read, label) }
	total := func(name, help string, read func() float64) { env.Metrics.Total("sluice_sql_"+name, help, read, label) }
	gauge("readers", "Connections that read", func() float64 { return float64(b.db.Stats().Readers) })
	gauge("readers_in_use", "Connections that read now", func() float64 { return float64(b.db.Stats().InUse) })
	gauge("long_answers", "Answers that hold a connection while the client reads", func() float64 { return float64(len(b.long)) })
	total("reader_waits_total", "Reads that waited for a free connection", func() float64 { return float64(b.db.Stats().Waits) })
	total("writes_total", "Writes that were committed", func() float64 { return float64(b.db.Stats().Writes) })
	total("commits_total", "Transactions that writes were committed in", func() float64 { return float64(b.db.Stats().Commits) })
	total("writes_again_total", "Writes that ran again because the transaction they shared was lost",
		func() float64 { return float64(b.db.Stats().Again) })
}

// watch observes the calls of one endpoint.
type watch struct {
	took      sluice.Histogram
	now       func() time.Time
	span      string
	operation string
	namespace string
	text      string
}

// call is one use of the database.
type call struct {
	watch *watch
	span  sluice.Span
	start time.Time
}

func (b *backend) watch(env *sluice.Env, ep *sluice.Endpoint, operation, text string) watch {
	return watch{
		took: env.Metrics.Histogram("sluice_sql_duration_seconds", "Time from asking for a connection until the last row or the commit",
			sluice.Label{Name: "backend", Value: b.name}, sluice.Label{Name: "endpoint", Value: ep.Name}),
		now: env.Now, span: operation + " " + b.name, operation: operation, namespace: b.file, text: text,
	}
}

func (w *watch) begin(x *sluice.Exchange) call {
	c := call{watch: w, span: x.Child(w.span), start: w.now()}
	if c.span.Recording() {
		c.span.SetText("db.system.name", "sqlite")
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
	err = fault(err)
	c.span.End(err)
	return err
}
