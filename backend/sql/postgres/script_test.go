package postgres

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

func TestScript(t *testing.T) {
	t.Parallel()
	config := setup(t, "CREATE TABLE users (id int GENERATED ALWAYS AS IDENTITY, email text UNIQUE)")
	c, other := dial(t, config), dial(t, config)
	const script = "-- two rows\nINSERT INTO users(email) VALUES ('c'); /* ; */\nINSERT INTO users(email) VALUES ('d;');;\nSELECT * FROM users"
	must(t, c.Begin(false))
	var done []int
	must(t, c.Script(t.Context(), script, func(n int) { done = append(done, n) }))
	must(t, c.Script(t.Context(), "-- nothing\n", nil))
	if n := ask(t, other, "SELECT count(*) FROM users"); n != "0" {
		t.Errorf("others see %s users of a transaction that is open", n)
	}
	_, err := c.Commit(false)
	must(t, err)
	if n := ask(t, other, "SELECT count(*) FROM users"); n != "2" {
		t.Errorf("%s users; want 2", n)
	}
	if want := []int{50, 98, len(script)}; !slices.Equal(done, want) {
		t.Errorf("done %v; want %v", done, want)
	}
}

func TestScriptErrors(t *testing.T) {
	t.Parallel()
	c := open(t, "CREATE TABLE users (id int UNIQUE)")
	for script, offset := range map[string]int{
		"SELECT 1; SELECT nope FROM users":                                       17,
		"INSERT INTO users VALUES (3);\n-- x\n INSERT INTO users(id) VALUES (3)": 36,
		"SELECT 1; INSERT INTO nowhere VALUES (1); SELECT 2;":                    22,
		"SELECT 'ü'; SELEC":                         13,
		"SELECT 1;; DO $$ BEGIN RAISE 'no'; END $$": 11,
		"SELECT 1; DO 'x'":                          14,
	} {
		err := c.Script(t.Context(), script, nil)
		var e *Error
		if !errors.As(err, &e) || e.Offset != offset {
			t.Errorf("%q: %v at %d; want offset %d", script, err, e.Offset, offset)
		}
		if !c.Usable() {
			t.Fatalf("%q: the connection is not usable", script)
		}
	}
	if n := ask(t, c, "SELECT count(*) FROM users"); n != "0" {
		t.Errorf("%s rows; want none of a script that failed", n)
	}
	if err := c.Script(t.Context(), "COPY users FROM STDIN", nil); err == nil || c.Usable() {
		t.Errorf("copy: %v", err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	c := open(t, "CREATE TABLE users (id int); INSERT INTO users VALUES (1), (2)")
	if err := c.Check(t.Context(), "SELECT 1"); codeOf(err) != codeMisuse {
		t.Errorf("outside of a transaction: %v", err)
	}
	must(t, c.Begin(false))
	must(t, c.Check(t.Context(), "CREATE TABLE extra(id INT); INSERT INTO extra VALUES (1); DELETE FROM users"))
	if n := ask(t, c, "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM extra)"); n != "2" {
		t.Errorf("%s rows; want the 2 users", n)
	}
	err := c.Check(t.Context(), "SELECT 1;\n SELECT nope")
	if e, ok := err.(*Error); !ok || e.Offset != 18 {
		t.Errorf("got %v", err)
	}
	c.Rollback()
	if got, err := c.UserTables(t.Context()); err != nil || strings.Join(got, " ") != "users" {
		t.Errorf("tables are %q, %v", got, err)
	}
}

func TestAlone(t *testing.T) {
	t.Parallel()
	config := database(t)
	var inside atomic.Int32
	done := make(chan error)
	for range 3 {
		c := dial(t, config)
		go func() {
			done <- c.Alone(t.Context(), func() error {
				if inside.Add(1) != 1 {
					t.Error("two are alone")
				}
				defer inside.Add(-1)
				return c.Ask(t.Context(), "SELECT pg_sleep(0.02)", nil)
			})
		}()
	}
	for range 3 {
		must(t, <-done)
	}
	why := errors.New("no")
	if err := dial(t, config).Alone(t.Context(), func() error { return why }); err != why {
		t.Errorf("got %v", err)
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for script, want := range map[string][]string{
		"":                            nil,
		" ;; -- x\n /* ; /* ; */ */ ": nil,
		"SELECT 1":                    {"SELECT 1"},
		"SELECT ';'; SELECT 2 ; ":     {"SELECT ';';", "SELECT 2 ;"},
		`SELECT ";"";" ; x`:           {`SELECT ";"";" ;`, "x"},
		`SELECT E'\';', '\'; x`:       {`SELECT E'\';', '\';`, "x"},
		"SELECT ''';'; x":             {"SELECT ''';';", "x"},
		"DO $$ a; b $$; x":            {"DO $$ a; b $$;", "x"},
		"DO $a1$ a; $$ b $a1$; x":     {"DO $a1$ a; $$ b $a1$;", "x"},
		"SELECT $1; x":                {"SELECT $1;", "x"},
		"SELECT a$b$; x":              {"SELECT a$b$;", "x"},
		"SELECT 1 -- ;\n; x":          {"SELECT 1 -- ;\n;", "x"},
		"CREATE RULE r AS ON INSERT TO a DO (SELECT 1; SELECT 2); x":                                                 {"CREATE RULE r AS ON INSERT TO a DO (SELECT 1; SELECT 2);", "x"},
		"CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END; x": {"CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END;", "x"},
		"BEGIN; x; END; y": {"BEGIN;", "x;", "END;", "y"},
		"SELECT 'a":        {"SELECT 'a"},
	} {
		var got []string
		for _, s := range split(script) {
			got = append(got, script[s.start:s.end])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", script, got, want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("SELECT E'\\'';/* /* */ */ DO $a$ ; $a$; \"x\" -- \n;")
	f.Add("CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE 1 END; END; (")
	f.Fuzz(func(t *testing.T, script string) {
		last := 0
		for _, s := range split(script) {
			if s.start < last || s.end <= s.start || s.end > len(script) {
				t.Fatalf("%q: %v behind %d", script, s, last)
			}
			last = s.end
		}
		if rest := script[last:]; leadingSpace(rest) != len(rest) {
			t.Errorf("%q: %q is left", script, rest)
		}
	})
}
