package postgres

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestBatchLongError holds that an error which is longer than what is read at once, as one that quotes a value may be, is said on a
// connection of its caller's own, and costs nobody else anything.
func TestBatchLongError(t *testing.T) {
	t.Parallel()
	c := line(t)
	plain, quotes := describe(t, c, "SELECT $1::int AS n"), describe(t, c, "SELECT repeat('x', $1::int)::date AS d")
	for _, size := range []string{"70000", "300000"} {
		plain.pace.doubt()
		quotes.pace.doubt()
		c.wantBatch(t, `{"n":1} 22007 large {"n":2}`, plain, "1", quotes, "1", quotes, size, plain, "2")
		if on, _ := quotes.onLine(time.Now); on {
			t.Error("the statement is still on lines")
		}
		c.wantGroup(t, `{"n":1} large behind behind`, plain, "1", quotes, size, quotes, "1", plain, "2")
	}
	if !c.Usable() {
		t.Fatal("the line is of no more use")
	}
	if _, err := try(c, quotes, values(t, "70000")); codeOf(err) != "22007" || len(err.Error()) < 70000 {
		t.Errorf("on its own it says %.100v", err)
	}
}

// TestBatchTooBig holds that a message which is longer than is read costs the line, but those behind it only a detour.
func TestBatchTooBig(t *testing.T) {
	t.Parallel()
	config := setup(t)
	for name, sql := range map[string]string{"a row": "SELECT repeat('x', $1::int) AS x", "an error": "SELECT repeat('x', $1::int)::date::text AS x"} {
		for _, grouped := range []bool{false, true} {
			c, err := Dial(t.Context(), config, Options{MaxMessage: 1 << 20})
			must(t, err)
			t.Cleanup(func() { c.Close() })
			must(t, c.AsLine(t.Context(), lineTime))
			plain, long, new := describe(t, c, "SELECT $1::int AS n"), describe(t, c, sql), describe(t, c, "SELECT $1::int AS new")
			must(t, c.Prepare(t.Context(), plain))
			must(t, c.Prepare(t.Context(), long))
			if grouped {
				c.quick(plain, long)
			}
			got := strings.Join(c.tryBatch(t, &err, plain, "1", long, "2000000", new, "1", plain, "2", long, "1"), " ")
			if want := `{"n":1} large behind behind behind`; !IsTooBig(err) || IsGone(err) || got != want {
				t.Errorf("%s, in a group: %t: got  %s, %v\nwant %s", name, grouped, got, err, want)
			}
			if on, _ := long.onLine(time.Now); on || c.Usable() {
				t.Errorf("%s: the statement is still on lines, or the line can be used", name)
			}
		}
	}
}

// TestErrandSize holds that no more is sent for errands than they say, however many columns they have.
func TestErrandSize(t *testing.T) {
	t.Parallel()
	c := line(t)
	var wide strings.Builder
	for i := range 1600 {
		fmt.Fprintf(&wide, ", %d AS c%d", i, i)
	}
	for _, sql := range []string{"SELECT $1::int AS n", "SELECT $1::int AS n, 2 AS two", "SELECT $1::int AS n" + wide.String()} {
		s := describe(t, c, sql)
		e := &Errand{}
		bind(t, e, s, "1")
		p, err := c.prepared(s, later(), nil)
		must(t, err)
		p.name = fmt.Sprintf("s%d", uint64(1)<<63)
		p.head = append(append([]byte{0}, p.name...), 0)
		c.out = e.append(c.out[:0], p)
		c.wire.syncs = 0
		if c.sync(); len(c.out) > e.Size() {
			t.Errorf("%d columns: %d bytes; want no more than %d", len(s.Columns), len(c.out), e.Size())
		}
		c.wire.syncs = 0
	}
}

// saidConn is a connection that brings what a server says, in pieces.
type saidConn struct{ pieces }

func (saidConn) SetReadDeadline(time.Time) error { return nil }
func (saidConn) Close() error                    { return nil }

var _ net.Conn = (*saidConn)(nil)

// answers is what comes of errands when a server says so much to them, the first of them in a group; and whether all were answered.
func answers(t *testing.T, all []byte, piece, group int) (got []string, err error) {
	const most = 100 << 10
	n := &saidConn{pieces{data: all, size: piece}}
	c := &Conn{net: n, name: "there", options: Options{MaxMessage: most, Statements: 1}, settings: make(map[string]string), status: 'I'}
	c.source.net = n
	c.limit.init()
	c.kept.init()
	s := &Stmt{SQL: "SELECT 1 AS n", Columns: []Column{{Name: "n", form: form{text, text}}}}
	must(t, s.fill())
	p := &prepared{alike: true, steady: true, columns: []form{s.Columns[0].form}}
	c.kept.known[s] = p
	now := time.Now()
	var errands []*Errand
	for i := range 4 {
		e := &Errand{row: row{stmt: s}}
		errands = append(errands, e)
		got = append(got, "nothing")
		if s.pace.took.Store(1); i < group {
			s.pace.measured.Store(now.UnixNano())
		} else {
			s.pace.doubt()
		}
		c.batch.board(e, i, p, now)
	}
	c.batch.close()
	c.batch.begin(0, 0, now)
	c.wire.syncs = c.batch.syncs()
	err = c.readBatch(errands, func(i int) {
		if got[i] != "nothing" {
			t.Fatalf("errand %d was done twice", i)
		}
		got[i] = said(errands[i])
	})
	if (err == nil) != (c.err == nil) || err == nil && (c.wire.syncs != 0 || !c.Usable()) {
		t.Fatalf("%v, but the connection has %v, and %d Syncs are under way", err, c.err, c.wire.syncs)
	}
	return got, err
}

// FuzzErrand holds that whatever a server says to a batch is an answer to each once, or the end of the line; and that it is the
// same in whatever pieces it comes.
func FuzzErrand(f *testing.F) {
	say := func(group int, all ...pgproto3.BackendMessage) {
		var b []byte
		for _, m := range all {
			var err error
			b, err = m.Encode(b)
			must(f, err)
		}
		f.Add(b, 7, group)
		f.Add(b, 5000, group)
	}
	bound, ran, ready := &pgproto3.BindComplete{}, &pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")}, &pgproto3.ReadyForQuery{TxStatus: 'I'}
	rowOf := func(n int) *pgproto3.DataRow {
		return &pgproto3.DataRow{Values: [][]byte{[]byte(strings.Repeat("x", n))}}
	}
	fails := func(code string, n int) *pgproto3.ErrorResponse {
		return &pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: code, Message: strings.Repeat("x", n)}
	}
	say(0, bound, rowOf(1), ran, ready, bound, ran, ready, fails("22012", 9), ready, bound, rowOf(70000), ran, ready)
	say(3, bound, rowOf(1), ran, bound, ran, bound, rowOf(2), &pgproto3.PortalSuspended{}, ready, bound, rowOf(3), ran, ready)
	say(3, bound, rowOf(1), ran, fails("22012", 9), ready, bound, rowOf(3), ran, ready)
	say(2, bound, rowOf(1), ran, fails("22007", 70000), ready, fails("57014", 1), ready, bound, rowOf(3), ran, ready)
	say(0, fails("57014", 1), ready, fails("57014", 1), ready)
	say(4, bound, rowOf(1), ran, bound, rowOf(200000))
	say(0, &pgproto3.ParameterStatus{Name: "a", Value: "b"}, &pgproto3.NoticeResponse{Message: strings.Repeat("x", 70000)}, bound, ran, ready)
	say(0, &pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "57P01"})
	f.Fuzz(func(t *testing.T, all []byte, piece, group int) {
		group = max(0, group%5)
		got, err := answers(t, all, max(1, piece%5000), group)
		whole, wholeErr := answers(t, all, len(all)+1, group)
		if fmt.Sprint(got) != fmt.Sprint(whole) || (err == nil) != (wholeErr == nil) {
			t.Fatalf("in pieces %.100v, %v\nas one    %.100v, %v", got, err, whole, wholeErr)
		}
		for i, s := range got {
			if err == nil && s == "nothing" {
				t.Errorf("errand %d was not answered", i)
			}
		}
	})
}
