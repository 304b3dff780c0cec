package sql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/postgres/cluster"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
	slots "github.com/sluiceapi/sluice/shard"
)

// Survey asks every database what it is and which keys it holds. It makes no file.
func (w *Where) Survey(ctx context.Context) ([]sluice.Holding, error) {
	var all []sluice.Holding
	maps := make(map[string]*slots.Map)
	for _, d := range w.databases() {
		h := sluice.Holding{Shard: d.name}
		if d.servers.URL.isFile() {
			h.Servers = []sluice.Server{{Address: d.servers.URL.String(), Role: "file"}}
		}
		m, err := w.survey(ctx, d, &h)
		h.Problem, maps[d.name] = err, m
		all = append(all, h)
	}
	for i := range all {
		all[i].Keys = w.keysOf(all[i].Shard, maps)
	}
	return all, nil
}

// survey asks one database.
func (w *Where) survey(ctx context.Context, d named, h *sluice.Holding) (*slots.Map, error) {
	db, servers, err := w.openToSurvey(d)
	if err != nil {
		return nil, err
	}
	s := &shard{name: d.name, database: db}
	var m *slots.Map
	if w.ShardBy != nil && w.ShardBy.Hash != "" {
		m, err = s.readSlots(ctx)
	} else {
		_, err = s.tables(ctx)
	}
	if servers != nil {
		h.Servers = servers(ctx)
	}
	return m, errors.Join(err, db.close())
}

// openToSurvey opens a database only to ask it, and gives what tells of its servers.
func (w *Where) openToSurvey(d named) (database, func(context.Context) []sluice.Server, error) {
	if d.servers.URL.isFile() {
		db, err := sqlite.Open(d.servers.URL.Path, sqlite.Options{Readers: 1, ReadOnly: true})
		if err != nil {
			return nil, nil, err
		}
		return newLite(db), nil, nil
	}
	servers, err := d.servers.servers()
	if err != nil {
		return nil, nil, err
	}
	p := &pg{}
	o := w.clusterOptions(servers)
	o.Pool.Max, o.Pool.MinIdle = 2, 0
	if p.cluster, err = cluster.Open(o); err != nil {
		return nil, nil, err
	}
	return p, func(ctx context.Context) []sluice.Server { return w.servers(ctx, p.cluster) }, nil
}

// surveyWait is how long servers are waited for that have not said yet what they are.
const surveyWait = 2 * time.Second

// servers are those of a cluster, once each has said what it is.
func (w *Where) servers(ctx context.Context, c *cluster.Cluster) []sluice.Server {
	unsettled := func(s cluster.Status) bool { return s.State == cluster.Unknown || s.State == cluster.LagUnknown }
	for end := time.Now().Add(surveyWait); time.Now().Before(end) && slices.ContainsFunc(c.Status(), unsettled); {
		select {
		case <-ctx.Done():
			end = time.Now()
		case <-time.After(20 * time.Millisecond):
		}
	}
	var all []sluice.Server
	for _, s := range c.Status() {
		one := sluice.Server{Address: s.Address, Role: s.State.String(), Why: s.Why, Timeline: s.Timeline,
			Lag: s.Lag, LagKnown: s.LagKnown && s.State != cluster.Leading, Pool: w.Pool.Max, Connections: s.Connections}
		if s.LSN > 0 {
			one.Position = s.LSN.String()
		}
		all = append(all, one)
	}
	return all
}

// keysOf says which keys belong on a shard.
func (w *Where) keysOf(name string, maps map[string]*slots.Map) string {
	switch {
	case w.ShardBy == nil:
		return ""
	case w.ShardBy.Hash == "":
		var values []string
		for _, e := range w.ShardBy.List {
			if e.Value == name {
				values = append(values, e.Name)
			}
		}
		if w.ShardBy.Default == name {
			values = append(values, "all others")
		}
		return strings.Join(values, ", ")
	}
	for _, d := range w.databases() { // any of them knows all
		if m := maps[d.name]; m != nil {
			return slotsOf(m, name)
		}
	}
	return "slots not dealt out yet"
}

func slotsOf(m *slots.Map, name string) string {
	at := slices.Index(m.Names(), name)
	if at < 0 {
		return "no slots"
	}
	var ranges []string
	for _, r := range m.Ranges(at) {
		ranges = append(ranges, r.String())
	}
	return fmt.Sprintf("%d slots: %s", m.Count(at), strings.Join(ranges, ", "))
}

// knock asks whether a database answers that was not opened.
func (w *Where) knock(ctx context.Context, d named) error {
	db, _, err := w.openToSurvey(d)
	if err != nil {
		return err
	}
	_, err = db.tables(ctx)
	return errors.Join(err, db.close())
}
