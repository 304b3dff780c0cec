package postgres

import (
	"context"
	stdjson "encoding/json"
	"strings"
	"time"
)

// Statements that share a Sync share a transaction, and what the first of them does holds for the others: a setting that
// is local to the transaction, a lock, a notification that is lost with it. All that is done by volatile functions, as
// PostgreSQL calls them (https://www.postgresql.org/docs/current/xfunc-volatility.html). So a statement shares only if it
// is steady: if it is shown to call none.
//
// A function can only be called by its name, so it is looked for in texts, and found by any word that is its name: in the
// statement, in what the plan shows, and in the definitions of views, policies and functions whose names stand there, and so
// on. Neither the text nor the plan shows all: the text has not what a view or policy does, nor what the server makes of it;
// the plan has no limits, no lists of values, no frames of windows, and not always what is compared with a subselect. What
// has no name in either, the functions behind operators, casts, types and aggregates, is asked of the database as a whole.

// hiddenVolatile finds volatile functions that statements call without their name. PostgreSQL's own are known: there are none.
const hiddenVolatile = `SELECT 1 FROM (
	SELECT oprcode FROM pg_catalog.pg_operator WHERE oid >= 16384
	UNION ALL SELECT castfunc FROM pg_catalog.pg_cast WHERE oid >= 16384
	UNION ALL SELECT amproc FROM pg_catalog.pg_amproc WHERE oid >= 16384
	UNION ALL SELECT pg_catalog.unnest(ARRAY[typinput, typoutput, typreceive, typsend]::pg_catalog.oid[]) FROM pg_catalog.pg_type WHERE oid >= 16384
	UNION ALL SELECT pg_catalog.unnest(ARRAY[rngcanonical, rngsubdiff]::pg_catalog.oid[]) FROM pg_catalog.pg_range WHERE rngtypid >= 16384
	UNION ALL SELECT pg_catalog.unnest(ARRAY[aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn, aggmtransfn, aggminvtransfn, aggmfinalfn]::pg_catalog.oid[])
		FROM pg_catalog.pg_aggregate WHERE aggfnoid >= 16384
	) AS behind (f) JOIN pg_catalog.pg_proc AS p ON p.oid = f WHERE p.provolatile = 'v' LIMIT 1`

// domainChecks gives what domains check: that runs wherever a value becomes one.
const domainChecks = `SELECT pg_catalog.pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint WHERE conrelid = 0 AND contypid >= 16384`

// lookShares keeps the isolation of transactions as it is, for as long as the connection stands, and finds out whether
// statements may share a Sync: no serializable ones, which may fail after their answer, each for what another has read.
func (c *Conn) lookShares(ctx context.Context) error {
	serializable := false
	err := c.ask(ctx, "SELECT pg_catalog.set_config('default_transaction_isolation', pg_catalog.current_setting('default_transaction_isolation'), false)",
		func(v [][]byte) { serializable = string(v[0]) == "serializable" })
	if err != nil || serializable {
		return err
	}
	if c.batch.shares, err = c.lookHidden(ctx); c.err != nil {
		return err
	}
	return nil
}

// lookHidden finds out whether no function is volatile that statements call without its name.
func (c *Conn) lookHidden(ctx context.Context) (bool, error) {
	hidden := false
	if err := c.ask(ctx, hiddenVolatile, func([][]byte) { hidden = true }); err != nil || hidden {
		return false, err
	}
	w := newWords()
	if err := c.ask(ctx, domainChecks, func(v [][]byte) { w.read(string(v[0])) }); err != nil {
		return false, err
	}
	return c.lookUp(ctx, w)
}

// preparedSteady is a statement prepared on a line, and looked at when it is prepared: what is found holds for as long as it
// is prepared here. Until is for all that takes. That nothing can be found out is no error.
func (c *Conn) preparedSteady(s *Stmt, until time.Time) (*prepared, error) {
	p, err := c.prepared(s, until, nil)
	if err != nil || !c.batch.shares || !p.alike {
		return p, err
	}
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	if p.steady, err = c.lookSteady(ctx, s, p); c.err != nil {
		return nil, err
	}
	return p, nil
}

// lookSteady finds out whether a statement that is prepared here is steady. Errors of the server are as good as a no.
func (c *Conn) lookSteady(ctx context.Context, s *Stmt, p *prepared) (bool, error) {
	w := newWords()
	w.read(s.SQL)
	text, err := c.explained(ctx, explainAll+executeNulls(p.name, len(p.params)))
	if err != nil {
		return false, err
	}
	var all []any
	if err := stdjson.Unmarshal(text, &all); err != nil || len(all) == 0 || !w.readPlan(all) {
		return false, nil
	}
	return c.lookUp(ctx, w)
}

// explainAll shows the plan that the server makes for any parameters, with its expressions. Nothing runs.
const explainAll = "SET LOCAL plan_cache_mode = force_generic_plan; EXPLAIN (VERBOSE, FORMAT JSON, COSTS OFF) "

// shown are the steps whose functions the plan or the text names, and that do nothing beyond them. Foreign tables and the
// steps of extensions do what they like; the others are not those of reads, or rare.
var shown = map[string]bool{
	"Result": true, "ProjectSet": true, "Append": true, "Merge Append": true, "Recursive Union": true, "BitmapAnd": true, "BitmapOr": true,
	"Nested Loop": true, "Merge Join": true, "Hash Join": true, "Seq Scan": true, "Gather": true, "Gather Merge": true,
	"Index Scan": true, "Index Only Scan": true, "Bitmap Index Scan": true, "Bitmap Heap Scan": true, "Tid Scan": true, "Tid Range Scan": true,
	"Subquery Scan": true, "Function Scan": true, "Table Function Scan": true, "Values Scan": true, "CTE Scan": true, "WorkTable Scan": true,
	"Materialize": true, "Memoize": true, "Sort": true, "Incremental Sort": true, "Group": true, "Aggregate": true, "WindowAgg": true,
	"Unique": true, "SetOp": true, "Limit": true, "Hash": true,
}

// readPlan reads all that stands in a plan. It is false if there is a step of which more is to be known.
func (w *words) readPlan(part any) bool {
	switch part := part.(type) {
	case string:
		w.read(part)
	case []any:
		for _, p := range part {
			if !w.readPlan(p) {
				return false
			}
		}
	case map[string]any:
		for key, p := range part {
			if step, _ := p.(string); key == "Node Type" {
				if !shown[step] {
					return false
				}
			} else if !w.readPlan(p) {
				return false
			}
		}
	}
	return true
}

const (
	// lookDeep is through how many definitions, each named in the one before, a statement is looked at; lookWide is at how
	// many words. What goes further is not steady.
	lookDeep = 16
	lookWide = 20_000
)

// lookUp looks for volatile functions among words, and in what has them for a name. A function's own text is read whatever it
// says of itself, but what it does not say in so many words is not known: there its mark is believed.
func (c *Conn) lookUp(ctx context.Context, w *words) (steady bool, err error) {
	for range lookDeep {
		if w.strange || len(w.seen) > lookWide {
			return false, nil
		}
		if len(w.called)+len(w.named) == 0 {
			return true, nil
		}
		called, all := nameArray(w.called), nameArray(append(w.named, w.called...))
		w.called, w.named = w.called[:0], w.named[:0]
		found := false
		// Whoever takes one argument may stand behind a dot as a column does. A trigger's function is called by its trigger only,
		// and a procedure by no read.
		err := c.ask(ctx, `SELECT f.provolatile = 'v', CASE WHEN f.provolatile <> 'v' AND f.prokind <> 'a' THEN pg_catalog.pg_get_functiondef(f.oid) END
			FROM pg_catalog.pg_proc AS f WHERE f.proname = ANY (`+all+`) AND (f.proname = ANY (`+called+`) OR f.pronargs > 0 AND f.pronargs - f.pronargdefaults <= 1)
			AND (f.provolatile = 'v' OR f.oid >= 16384) AND f.prokind <> 'p'
			AND f.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
			AND NOT 'pg_catalog.internal'::pg_catalog.regtype = ANY (f.proargtypes)
			UNION ALL SELECT relkind = 'f', CASE relkind WHEN 'v' THEN pg_catalog.pg_get_viewdef(oid) END
			FROM pg_catalog.pg_class WHERE relname = ANY (`+all+`) AND relkind IN ('v', 'f')
			UNION ALL SELECT false, pg_catalog.pg_get_expr(p.polqual, p.polrelid)
			FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_policy AS p ON p.polrelid = t.oid WHERE t.relname = ANY (`+all+`)`,
			func(v [][]byte) {
				found = found || string(v[0]) != "f"
				w.read(string(v[1]))
			})
		if err != nil || found {
			return false, err
		}
	}
	return false, nil
}

// words are what stands in texts and may be a name.
type words struct {
	seen          map[string]bool // whether it was called
	called, named []string        // those that were not looked up: a bracket follows, or none does
	strange       bool            // there is a name that cannot be read so simply
}

func newWords() *words { return &words{seen: make(map[string]bool)} }

// read takes in the words of a text: of whatever it has, strings and comments too. So it need not be understood, and what a
// function puts together to run is seen as well.
func (w *words) read(text string) {
	// A name with a quote in it, or in escapes: U&"\0066".
	w.strange = w.strange || strings.Contains(text, `""`) || strings.Contains(text, `&"`)
	for at := 0; at < len(text); {
		size := wordSize(text[at:])
		if size == 0 {
			at++
			continue
		}
		word := text[at : at+size]
		at += size
		called := isCalled(text[at:])
		w.add(word, called)
		if strings.Contains(word, "$") { // it may stand in a name, or before one: $$
			for part := range strings.SplitSeq(word, "$") {
				w.add(part, called)
			}
		}
	}
	for quoted := range strings.SplitSeq(text, `"`) {
		if wordSize(quoted) < len(quoted) {
			w.add(quoted, true)
		}
	}
}

// wordSize is how much of the text's begin is a word.
func wordSize(text string) int {
	for i := range len(text) {
		if c := text[i]; !isWordStart(c) && !('0' <= c && c <= '9') && c != '$' {
			return i
		}
	}
	return len(text)
}

// isCalled tells whether a bracket follows, or may behind a comment.
func isCalled(rest string) bool {
	rest = strings.TrimLeft(strings.TrimPrefix(rest, `"`), " \t\n\v\f\r")
	return strings.HasPrefix(rest, "(") || strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "/*")
}

// longestName is more than the bytes of any name that the server tells from others: it has 63 of them, and each may
// be 4 here.
const longestName = 4 * 63

// add adds a word as it is, and as the server takes it where it stands without quotes.
func (w *words) add(word string, called bool) {
	if len(word) > longestName {
		word = strings.ToValidUTF8(word[:longestName], "")
	}
	for _, name := range [...]string{word, strings.ToLower(word)} {
		before, ok := w.seen[name]
		if ok && (before || !called) || name == "" {
			continue
		}
		w.seen[name] = called
		if called {
			w.called = append(w.called, name)
		} else {
			w.named = append(w.named, name)
		}
	}
}

// nameArray is the names as a value of SQL.
func nameArray(names []string) string {
	b := []byte("'{")
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		for j := range len(name) {
			switch c := name[j]; c {
			case '\\', '"':
				b = append(b, '\\', c)
			case '\'':
				b = append(b, '\'', c)
			default:
				b = append(b, c)
			}
		}
		b = append(b, '"')
	}
	return string(append(b, "}'::pg_catalog.name[]"...))
}
