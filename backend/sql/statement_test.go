package sql

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

func TestNumbered(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text, want string
		refs       []string
	}{
		{"SELECT 1", "SELECT 1", nil},
		{"a = $id", "a = ?1", []string{"id"}},
		{"$id, $body.sku, $id", "?1, ?2, ?1", []string{"id", "body.sku"}},
		{`$"header.x-tenant"||$"id"`, "?1||?2", []string{"header.x-tenant", "id"}},
		{"$body.items.0.sku.", "?1.", []string{"body.items.0.sku"}},
		{"$caller.claims.tenant::text", "?1::text", []string{"caller.claims.tenant"}},
		{"'$id' \"$id\" `$id` [$id] $id", "'$id' \"$id\" `$id` [?1] ?1", []string{"id"}},
		{"'it''s $id' $id", "'it''s $id' ?1", []string{"id"}},
		{"[a name] [it] $id", "[a name] [it] ?1", []string{"id"}},
		{"a -- $id\n$id", "a -- $id\n?1", []string{"id"}},
		{"a /* $id */ $id /* $id", "a /* $id */ ?1 /* $id", []string{"id"}},
		{"$$ $id $$ $id", "$$ $id $$ ?1", []string{"id"}},
		{"$body$ $id $$ $body$ $id", "$body$ $id $$ $body$ ?1", []string{"id"}},
		{`E'\'$id' $id`, `E'\'$id' ?1`, []string{"id"}},
		{"a$b $id", "a$b ?1", []string{"id"}},
		{"ü$b || $id", "ü$b || ?1", []string{"id"}},
		{"'unended $id", "'unended $id", nil},
		{"1-$a-$b", "1-?1-?2", []string{"a", "b"}},
		{"a->>'$.x' = $x", "a->>'$.x' = ?1", []string{"x"}},
	} {
		s := parse(t, tt.text)
		var refs []string
		s.References(func(r *sluice.Reference) { refs = append(refs, r.String()) })
		if got := s.numbered(sqliteDialect); got != tt.want || !slices.Equal(refs, tt.refs) {
			t.Errorf("%s:\n got %s %v\nwant %s %v", tt.text, got, refs, tt.want, tt.refs)
		}
	}
}

func TestReferenceGrammar(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"$1", `$"a b"`, `$""`, "$a.1x"} {
		var s SQL
		if err := s.UnmarshalText([]byte("SELECT " + text)); err == nil {
			t.Errorf("%s was taken as %v", text, s.refs)
		}
	}
}

// TestWritten finds each byte of the numbered text in the written one.
func TestWritten(t *testing.T) {
	t.Parallel()
	s := parse(t, `SELECT $body.sku, $id x, $"body.sku", $id FROM t`)
	numbered := s.numbered(sqliteDialect)
	for _, tt := range []struct{ numbered, written string }{{"SELECT", "SELECT"}, {"?1", "$body.sku"}, {"x,", "x,"}, {"FROM t", "FROM t"}} {
		at := s.written(sqliteDialect, strings.Index(numbered, tt.numbered))
		if !strings.HasPrefix(s.text[at:], tt.written) {
			t.Errorf("%s is at %q", tt.numbered, s.text[at:])
		}
	}
	if at := s.written(sqliteDialect, len(numbered)); at != len(s.text) {
		t.Errorf("the end is at %d; want %d", at, len(s.text))
	}
}

func TestVerb(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"select 1": "SELECT", "WITH a AS (SELECT 1) INSERT INTO b SELECT * FROM a": "INSERT", "-- DELETE\nUPDATE t SET a = 1": "UPDATE",
		"('SELECT')": "SQL", "VALUES (1)": "VALUES",
	} {
		s := parse(t, text)
		if got := s.verb(); got != want {
			t.Errorf("%s is %s; want %s", text, got, want)
		}
	}
}

// TestOffsets wants each mistake at its place in the text as it was written.
func TestOffsets(t *testing.T) {
	t.Parallel()
	n := setup(t, nil)
	for _, tt := range []struct{ text, at, message string }{
		{"SELECT $body.sku, nmae FROM users WHERE id = $body.id", "nmae", "no such column: nmae"},
		{"SELECT $body.sku, id FORM users", "users", `near "users": syntax error`},
		{"SELECT id FROM user WHERE id = $body.id", "user ", "no such table: user; did you mean users?"},
		{"SELECT id FROM main.user WHERE id = $body.id", "user ", "no such table: main.user; did you mean users?"},
		{"SELECT id FROM users WHERE id = ?", "?", "a parameter that nothing is bound to; want a reference behind $, such as $id"},
		{"SELECT id FROM users WHERE id = $body.id OR id = :name", ":name", "a parameter that nothing is bound to; want a reference behind $, such as $id"},
		{"SELECT id FROM users WHERE id = @name", "@name", "a parameter that nothing is bound to; want a reference behind $, such as $id"},
		{"SELECT $body.x; DELETE FROM users", " DELETE", "there is more than one statement"},
		{"SELECT $body.long.name, now() AS now", "now() ", "no such function: now"},
		{"BEGIN", "", "BEGIN is not allowed in a statement"},
		{"SELECT id, email AS id FROM users", "", `two columns are called "id"; want AS to give one of them another name`},
	} {
		_, err := n.handle("POST /x", &Use{Query: query(t, tt.text)})
		var e *sluice.FieldError
		if !asField(err, &e) || e.Field != "query" || e.Err.Error() != tt.message {
			t.Errorf("%s: %v\nwant %s", tt.text, err, tt.message)
			continue
		}
		if tt.at == "" {
			continue
		}
		if e.Offset < 1 || !strings.HasPrefix(tt.text[e.Offset-1:], tt.at) {
			t.Errorf("%s: the mistake is at byte %d; want %s", tt.text, e.Offset, tt.at)
		}
	}
}

func asField(err error, e **sluice.FieldError) bool {
	f, ok := err.(*sluice.FieldError)
	*e = f
	return ok
}

// TestReadOnly refuses writes on GET, and says what writes.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	n := setup(t, nil)
	for _, text := range []string{"DELETE FROM users", "INSERT INTO users (email) VALUES ('x') RETURNING id", "WITH a AS (SELECT 1) UPDATE users SET age = 20", "DROP TABLE users"} {
		_, err := n.handle("GET /x", &Use{Query: query(t, text)})
		if err == nil || !strings.Contains(err.Error(), "query: a GET endpoint only reads, and this ") {
			t.Errorf("%s: %v; want an error that names it", text, err)
		}
		_, err = n.handle("GET /x", &Use{TX: []Step{{Query: query(t, text)}}})
		if err == nil || !strings.Contains(err.Error(), "tx[0].query: a GET endpoint only reads") {
			t.Errorf("%s: %v; want an error that names it", text, err)
		}
	}
}

// FuzzStatement holds that only references are changed: what stands between them is byte for byte what was written,
// text without "$" is left alone, and every byte is found again.
func FuzzStatement(f *testing.F) {
	for _, seed := range []string{"SELECT $id", "'$id' $body.x -- $\n", `$"a" $$ $b $$ [x] /* */ E'\''`, "$a$b$a$ $c", "$id.$id"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s SQL
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		numbered := s.numbered(sqliteDialect)
		if !strings.Contains(text, "$") && numbered != text {
			t.Fatalf("%q became %q", text, numbered)
		}
		last, rest := 0, numbered
		for _, p := range s.places {
			between := text[last:p.start]
			after, ok := strings.CutPrefix(rest, between+sqliteDialect.parameter(p.ref+1))
			if !ok || text[p.start] != '$' {
				t.Fatalf("%q became %q: something beside references changed", text, numbered)
			}
			rest, last = after, p.end
		}
		if rest != text[last:] {
			t.Fatalf("%q became %q: the end changed", text, numbered)
		}
		for at := range numbered {
			if w := s.written(sqliteDialect, at); w < 0 || w > len(text) {
				t.Fatalf("byte %d of %q is %d of %q", at, numbered, w, text)
			}
		}
		// In a literal nothing is a reference.
		var quoted SQL
		literal := "'" + strings.ReplaceAll(text, "'", "''") + "'"
		if err := quoted.UnmarshalText([]byte(literal)); err != nil || quoted.numbered(sqliteDialect) != literal {
			t.Fatalf("%q became %q, %v", literal, quoted.numbered(sqliteDialect), err)
		}
	})
}
