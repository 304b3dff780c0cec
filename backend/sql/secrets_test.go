package sql

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// TestSecrets fails in many ways with a password that must not be seen.
func TestSecrets(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{HBA: []string{"host all eve 127.0.0.1/32 scram-sha-256"}})
	p.Exec("CREATE ROLE eve LOGIN PASSWORD 'right'", "GRANT ALL ON SCHEMA public TO eve")
	const secret = "hunter2"
	seen := func(what, text string) {
		t.Helper()
		if strings.Contains(text, secret) {
			t.Errorf("%s shows the password:\n%s", what, text)
		}
	}
	for _, url := range []string{
		"postgres://eve:" + secret + "@" + p.Address() + "/postgres",
		"postgres://eve:" + secret + "@127.0.0.1:1/postgres",
		"postgres://eve:" + secret + "@" + p.Address() + "/nowhere",
	} {
		n, err := stores[1].begin(t, at(url), func(w *Where) { w.Schema = "CREATE TABLE IF NOT EXISTS c (id INT)" })
		if err != nil {
			t.Fatal(err)
		}
		_, err = run(n.must("GET /x", n.ask("SELECT id FROM c", "many")), exchange(""))
		if e := sluice.ErrorOf(err); err == nil || e.Code != sluice.Unavailable {
			t.Errorf("%v; want unavailable", err)
		}
		seen("the error", err.Error())
		if err = n.backend().Ping(t.Context()); err == nil {
			t.Error("the database is said to be there")
		} else {
			seen("the ping", err.Error())
		}
		w := Kind.NewWhere().(*Where)
		at(url)(w)
		_, change := folders(t)
		change(w)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err = w.MigrateUp(ctx)
		cancel()
		if err == nil {
			t.Error("migrated without a password")
		} else {
			seen("sluice migrate", err.Error())
		}
		n.env.Close()
		seen("the log", n.log.String())
		if !strings.Contains(n.log.String(), "a database is not ready") {
			t.Errorf("the log says nothing:\n%s", n.log.String())
		}
	}
	for _, url := range []string{
		"postgres://eve:" + secret + "@host:x/postgres", "postgres://eve:" + secret + "@host/", "postgres://eve:" + secret + "@/x?sslmode=" + secret,
		"postgres://eve:" + secret + "@host/x?sslrootcert=/nowhere/at/all", "postgres://eve:%zz" + secret + "@host/x", "postgres://:" + secret + "@host/x",
		"postgres://eve:" + secret + "@host/x?target_session_attrs=" + secret, "mysql://eve:" + secret + "@host/x", "eve:" + secret + "@host/x",
		"postgres://eve:" + secret + "@host:1:2/x", "postgres://eve@host/x?password=" + secret,
	} {
		var u URL
		err := u.UnmarshalText([]byte(url))
		if err == nil {
			w := Kind.NewWhere().(*Where)
			w.URL = Servers{URL: u}
			if err = w.Check(); err == nil {
				_, err = start(t, t.TempDir(), func(w *Where) { w.URL = Servers{URL: u} })
			}
		}
		if err == nil {
			t.Errorf("%s was taken", url)
			continue
		}
		seen(url, err.Error())
		text, _ := u.MarshalText()
		seen("the URL", string(text))
	}
}
