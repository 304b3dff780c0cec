package servers

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Run runs statements, separated by semicolons, on a connection of their own over the server's Unix socket, and returns
// the rows of the last one as text; NULL is the empty string. More than one statement is one transaction unless it says
// otherwise.
func (p *Postgres) Run(ctx context.Context, database, sql string) ([][]string, error) {
	config, err := pgconn.ParseConfig(fmt.Sprintf("host=%s port=%d user=postgres dbname=%s sslmode=disable application_name=servers",
		p.folder.path, p.port, database))
	if err != nil {
		return nil, err
	}
	c, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	defer c.Close(ctx)
	results, err := c.Exec(ctx, sql).ReadAll()
	if err != nil || len(results) == 0 {
		return nil, err
	}
	var rows [][]string
	for _, r := range results[len(results)-1].Rows {
		row := make([]string, len(r))
		for i, value := range r {
			row[i] = string(value)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Exec runs statements in the database postgres; each of the arguments commits for itself.
func (p *Postgres) Exec(statements ...string) {
	p.owner.Helper()
	for _, sql := range statements {
		p.Rows("postgres", sql)
	}
}

// Rows is Run with an error that is fatal.
func (p *Postgres) Rows(database, sql string) [][]string {
	p.owner.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	rows, err := p.Run(ctx, database, sql)
	if err != nil {
		p.owner.Fatalf("%s: %v", sql, err)
	}
	return rows
}

// Value is the first column of a statement's first row, in the database postgres; none is the empty string.
func (p *Postgres) Value(sql string) string {
	p.owner.Helper()
	value, err := p.value(sql)
	if err != nil {
		p.owner.Fatalf("%s: %v", sql, err)
	}
	return value
}

func (p *Postgres) value(sql string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	rows, err := p.Run(ctx, "postgres", sql)
	if err != nil || len(rows) == 0 || len(rows[0]) == 0 {
		return "", err
	}
	return rows[0][0], nil
}

// Database makes an empty database and returns its URL, so that tests can share a server.
func (p *Postgres) Database(name string) string {
	p.owner.Helper()
	p.Exec("CREATE DATABASE " + quoted(name))
	return p.URL(name)
}

// Set changes a setting of the running server, such as synchronous_standby_names, and waits until new connections have
// it. The value stands as in SQL: "'r1'", "on", "100". Settings that need a restart take effect with Restart.
func (p *Postgres) Set(name, value string) {
	p.owner.Helper()
	p.Exec(fmt.Sprintf("ALTER SYSTEM SET %s = %s", name, value))
	before := p.Value("SELECT pg_conf_load_time()")
	p.Exec("SELECT pg_reload_conf()")
	p.until("loading the setting "+name, "SELECT pg_conf_load_time() > '"+before+"'")
}

// until waits for a statement to say true.
func (p *Postgres) until(what, sql string) {
	p.owner.Helper()
	err := poll(patience, func() (bool, error) {
		value, err := p.value(sql)
		return value == "t", err
	})
	if err != nil {
		p.owner.Fatalf("%s: %v", what, err)
	}
}

// quoted is a name as SQL takes it.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// milliseconds is a duration as postgresql.conf takes it.
func milliseconds(d time.Duration) string { return fmt.Sprintf("'%dms'", d.Milliseconds()) }
