package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/postgres"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// series keeps how each series is read, by its name and labels.
type series struct {
	sluice.NoMetrics
	read map[string]func() float64
}

func (s *series) key(name string, labels []sluice.Label) string {
	var all []string
	for _, l := range labels {
		all = append(all, l.Name+"="+l.Value)
	}
	return name + "{" + strings.Join(all, ",") + "}"
}

func (s *series) Gauge(name, _ string, read func() float64, labels ...sluice.Label) {
	s.read[s.key(name, labels)] = read
}

func (s *series) Total(name, _ string, read func() float64, labels ...sluice.Label) {
	s.read[s.key(name, labels)] = read
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	m := &series{read: map[string]func() float64{}}
	s := open(t, func(o *Options) { o.Metrics, o.Shard, o.Pool.Lines = m, "a", 1 }, p.URL("postgres"))
	server := "{backend=shop,shard=a,server=" + p.Address() + "}"
	value := func(key string) float64 {
		t.Helper()
		read, found := m.read[key]
		if !found {
			t.Fatalf("there is no %s", key)
		}
		return read()
	}
	s.states(map[*servers.Postgres]State{p: Leading})
	s.read("SELECT 1", Want{})
	off := &postgres.Stmt{Writes: true}
	if fits, err := s.Bind(s.NewErrand(), off, &postgres.Input{}); fits || err != nil {
		t.Errorf("it fits a line: %t, %v", fits, err)
	}
	l, err := s.Write(time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]float64{
		"sluice_sql_connections_max" + server:                                            4,
		"sluice_sql_connections_in_use" + server:                                         1,
		"sluice_sql_acquires_total" + server:                                             2,
		"sluice_sql_server_primary" + server:                                             1,
		"sluice_sql_server_timeline" + server:                                            1,
		"sluice_sql_replica_lag_seconds" + server:                                        0,
		"sluice_sql_reads_total{backend=shop,shard=a,target=primary,reason=only-server}": 1,
		"sluice_sql_reads_total{backend=shop,shard=a,target=replica,reason=no-token}":    0,
		"sluice_sql_line_off_total{backend=shop,shard=a}":                                1,
		"sluice_sql_writes_waiting{backend=shop,shard=a}":                                0,
		"sluice_sql_ejections_total" + server:                                            0,
	} {
		if got := value(key); got != want {
			t.Errorf("%s is %v; want %v", key, got, want)
		}
	}
	l.Release(nil)
	p.Stop(servers.Fast)
	s.states(map[*servers.Postgres]State{p: Unreachable})
	if value("sluice_sql_server_serves"+server) != 0 || value("sluice_sql_replica_lag_seconds"+server) != -1 || value("sluice_sql_ejections_total"+server) != 1 {
		t.Error("a server that is down is shown as one that serves")
	}
}
