package cluster

import (
	"slices"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/postgres"
	"github.com/sluiceapi/sluice/backend/sql/postgres/pool"
)

func (c *Cluster) labels(more ...sluice.Label) []sluice.Label {
	all := []sluice.Label{{Name: "backend", Value: c.options.Name}}
	if c.options.Shard != "" {
		all = append(all, sluice.Label{Name: "shard", Value: c.options.Shard})
	}
	return append(all, more...)
}

// waitHistogram is of the waits for a connection of one server.
func (c *Cluster) waitHistogram(server string) sluice.Histogram {
	return c.options.Metrics.Histogram("sluice_sql_acquire_wait_seconds", "Time that requests waited for a connection, of those that had to",
		c.labels(sluice.Label{Name: "server", Value: server})...)
}

// measure makes the series.
func (c *Cluster) measure() {
	m := c.options.Metrics
	c.away = m.Histogram("sluice_sql_primary_away_seconds", "Time from losing the primary until there was one again", c.labels()...)
	m.Total("sluice_sql_failovers_total", "Times that another server was found to be the primary",
		func() float64 { return float64(c.counts.failovers.Load()) }, c.labels()...)
	m.Gauge("sluice_sql_writes_waiting", "Writes that wait for a primary",
		func() float64 { return float64(c.counts.waiting.Load()) }, c.labels()...)
	m.Total("sluice_sql_unavailable_total", "Requests for which there was no server in time",
		func() float64 { return float64(c.counts.unavailable.Load()) }, c.labels()...)
	if c.Lines() {
		m.Total("sluice_sql_line_off_total", "Reads that ran on a connection of their own from the start, because their statement was slow or large on lines a moment ago, or their values are too long for one",
			func() float64 { return float64(c.counts.off.Load()) }, c.labels()...)
	}
	for r := range Writing {
		target := "primary"
		if r <= LastStanding {
			target = "replica"
		}
		m.Total("sluice_sql_reads_total", "Reads by where they went, and why", func() float64 { return float64(c.counts.reads[r].Load()) },
			c.labels(sluice.Label{Name: "target", Value: target}, sluice.Label{Name: "reason", Value: r.String()})...)
	}
	for _, s := range c.servers {
		c.measureServer(s)
		if s.lines != nil {
			c.measureLines(s)
		}
	}
}

func (c *Cluster) measureServer(s *server) {
	labels := c.labels(sluice.Label{Name: "server", Value: s.Address})
	read := func(f func(Status) float64) func() float64 {
		return func() float64 {
			c.mu.Lock()
			defer c.mu.Unlock()
			return f(c.status(s, c.options.Now()))
		}
	}
	stat := func(f func(pool.Stats) float64) func() float64 { return func() float64 { return f(s.stats()) } }
	gauge := func(name, help string, f func() float64) {
		c.options.Metrics.Gauge("sluice_sql_"+name, help, f, labels...)
	}
	total := func(name, help string, f func() float64) {
		c.options.Metrics.Total("sluice_sql_"+name, help, f, labels...)
	}

	gauge("connections_max", "Connections that there may be", stat(func(p pool.Stats) float64 { return float64(p.Max) }))
	gauge("connections_idle", "Connections that are open and unused", stat(func(p pool.Stats) float64 { return float64(p.Idle) }))
	gauge("connections_in_use", "Connections that are used now", stat(func(p pool.Stats) float64 { return float64(p.InUse) }))
	total("acquires_total", "Connections lent", stat(func(p pool.Stats) float64 { return float64(p.Acquires) }))
	total("acquire_waits_total", "Requests that had to wait for a connection", stat(func(p pool.Stats) float64 { return float64(p.Waits) }))
	total("exhausted_total", "Requests that got no connection in time", stat(func(p pool.Stats) float64 { return float64(p.Exhausted) }))
	total("dials_total", "Attempts to open a connection", stat(func(p pool.Stats) float64 { return float64(p.Dials) }))
	total("dial_errors_total", "Attempts to open a connection that failed", stat(func(p pool.Stats) float64 { return float64(p.DialErrors) }))
	total("closed_lifetime_total", "Connections closed because they were old", stat(func(p pool.Stats) float64 { return float64(p.ClosedLifetime) }))
	total("closed_idle_total", "Connections closed because they were unused", stat(func(p pool.Stats) float64 { return float64(p.ClosedIdle) }))
	total("closed_broken_total", "Connections closed because they were broken", stat(func(p pool.Stats) float64 { return float64(p.ClosedBroken) }))

	gauge("server_primary", "1 on the primary", read(func(st Status) float64 { return flag(st.State == Leading) }))
	gauge("server_serves", "1 while the server is read from or written to", read(func(st Status) float64 { return flag(st.State.Serves()) }))
	gauge("server_timeline", "Timeline", read(func(st Status) float64 { return float64(st.Timeline) }))
	gauge("replica_lag_seconds", "How late the server is; -1 while that is not known", read(func(st Status) float64 {
		if !st.LagKnown {
			return -1
		}
		return st.Lag.Seconds()
	}))
	gauge("replica_lag_bytes", "Bytes of the log that the server has not replayed; -1 while that is not known", read(func(st Status) float64 {
		if !st.LagKnown {
			return -1
		}
		return float64(st.LagBytes)
	}))
	gauge("probe_age_seconds", "Time since the server answered; 0 while it does not", read(func(st Status) float64 { return st.Age.Seconds() }))
	total("ejections_total", "Times that the server was left out", func() float64 {
		c.mu.Lock()
		defer c.mu.Unlock()
		return float64(s.ejected)
	})
}

// measureLines makes the series of the lines to a server.
func (c *Cluster) measureLines(s *server) {
	labels := c.labels(sluice.Label{Name: "server", Value: s.Address})
	m := c.options.Metrics
	m.Gauge("sluice_sql_line_queue", "Reads that wait for a line", func() float64 { return float64(s.lines.stats().Queued) }, labels...)
	total := func(name, help string, f func(LineStats) int64, more ...sluice.Label) {
		m.Total("sluice_sql_line_"+name, help, func() float64 { return float64(f(s.lines.stats())) }, append(slices.Clip(labels), more...)...)
	}
	total("reads_total", "Reads that were sent on lines", func(st LineStats) int64 { return st.Reads })
	total("batches_total", "Batches that they were sent in", func(st LineStats) int64 { return st.Batches })
	for d := postgres.Straight + 1; d < postgres.Detours; d++ {
		total("detours_total", "Reads that a line did not answer, and that ran on a connection of their own",
			func(st LineStats) int64 { return st.Detours[d] }, sluice.Label{Name: "reason", Value: d.String()})
	}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
