package postgres_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/job"
	"github.com/sluiceapi/sluice/job/postgres"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

func TestRecord(t *testing.T) {
	t.Parallel()
	server := servers.StartPostgres(t, servers.Options{})
	var mu sync.Mutex // the server makes one database at a time
	count := 0
	database := sluicetest.PerTest(func(t *testing.T) string {
		mu.Lock()
		defer mu.Unlock()
		count++
		return server.Database("jobs" + strings.Repeat("x", count))
	})
	sluicetest.Record(t, func(t *testing.T) job.Record { return open(t, database(t)) })
}

func open(t *testing.T, url string) *postgres.Record {
	r, err := postgres.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// TestNodesBeforeDatabase opens records before there is a database, and at once: the tables are made once.
func TestNodesBeforeDatabase(t *testing.T) {
	t.Parallel()
	server := servers.StartPostgres(t, servers.Options{})
	records := []*postgres.Record{open(t, server.URL("postgres")), open(t, server.URL("postgres")), open(t, server.URL("postgres"))}
	server.Kill()
	if err := records[0].Ping(t.Context()); err == nil {
		t.Error("no error while the database is away")
	}
	server.Restart()
	var group sync.WaitGroup
	for _, r := range records {
		group.Go(func() {
			n := job.New{ID: job.NewID(time.Now()), Endpoint: "e", MaxAttempts: 1, Keep: time.Hour}
			if _, err := r.Accept(t.Context(), []job.New{n}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if list, err := records[0].List(t.Context(), job.Filter{}); err != nil || len(list) != 3 {
		t.Errorf("%d jobs, %v", len(list), err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	const secret = "opensesame"
	for _, url := range []string{"postgres://u:" + secret + "@host:port/db", "postgres://u:" + secret + "@host/db?sslmode=no", "postgres://u:" + secret + "%zz@host/db"} {
		if _, err := postgres.Open(url); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("got %v", err)
		}
	}
	server := servers.StartPostgres(t, servers.Options{})
	server.Exec(`CREATE TABLE sluice_job_schema (version integer)`, `INSERT INTO sluice_job_schema VALUES (99)`)
	if err := open(t, server.URL("postgres")).Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("tables of another version: %v", err)
	}
}
