package sql

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// cursorName is the query parameter that asks for the page behind a cursor.
const cursorName = "cursor"

// page answers with the rows of a reading statement page by page.
type page struct {
	*backend
	watch watch
	// first finds the first page, next the rows behind a cursor.
	first, next *plan
	keys        []pageKey
	size        int
	ring        *sluice.Keyring
	purpose     string
}

// pageKey is a column of the result that orders it.
type pageKey struct {
	Key
	column int
	// nullable is set when the column may hold a NULL, for which a condition needs more words.
	nullable bool
}

func (b *backend) handlePage(env *sluice.Env, ep *sluice.Endpoint, use *Use, p *plan, w watch) (sluice.Handler, error) {
	if !p.stmt.ReadOnly {
		return nil, sluice.At("page", fmt.Errorf("pages are read, and this %s writes", p.verb))
	}
	h := &page{backend: b, watch: w, size: use.Page.Size, ring: env.Keys, purpose: "cursor:" + ep.Name}
	var errs []error
	for i := range ep.Inputs {
		if in := &ep.Inputs[i]; in.Name == cursorName && in.In == "query" {
			errs = append(errs, sluice.At("page", errors.New("the query parameter cursor is the page's own, and the endpoint declares it as an input; want another name for that")))
		}
	}
	for i, k := range use.Page.Keyset {
		found, err := h.key(p, k)
		if err != nil {
			errs = append(errs, sluice.At(fmt.Sprintf("page.keyset[%d]", i), err))
		}
		h.keys = append(h.keys, found)
		h.purpose += " " + k.String()
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := h.wrap(ep, p); err != nil {
		return nil, sluice.At("query", err)
	}
	return h, h.explain(env, ep)
}

// key finds the column of a key in the result.
func (h *page) key(p *plan, k Key) (pageKey, error) {
	var names []string
	for i, c := range p.stmt.Columns {
		if strings.EqualFold(c.Name, k.Column) {
			k.Column = c.Name
			return pageKey{Key: k, column: i, nullable: h.nullable(p, c)}, nil
		}
		names = append(names, c.Name)
	}
	if near := sluice.Nearest(k.Column, names); near != "" {
		return pageKey{}, fmt.Errorf("the query gives no column %s; did you mean %s?", k.Column, near)
	}
	return pageKey{}, fmt.Errorf("the query gives no column %s; want one of %s", k.Column, strings.Join(names, ", "))
}

// wrap makes the statements of the pages from the user's.
func (h *page) wrap(ep *sluice.Endpoint, p *plan) (err error) {
	from := "SELECT * FROM " + subquery(p.stmt.SQL)
	var order []string
	for _, k := range h.keys {
		order = append(order, quoteName(k.Column)+k.direction())
	}
	// One row more than is answered shows whether another page follows.
	tail := fmt.Sprintf(" ORDER BY %s LIMIT %d", strings.Join(order, ", "), h.size+1)
	if h.first, err = h.derive(ep, p, from+tail); err != nil {
		return err
	}
	h.next, err = h.derive(ep, p, from+" WHERE "+behind(h.keys, len(p.refs)+1)+tail)
	return err
}

func (h *page) derive(ep *sluice.Endpoint, p *plan, sql string) (*plan, error) {
	stmt, err := h.db.Prepare(sql)
	if err != nil {
		return nil, fmt.Errorf("as a page, %s: %w", sql, err)
	}
	derived := &plan{stmt: stmt, refs: p.refs, verb: p.verb}
	derived.encoder, err = newEncoder(stmt.Columns, ep.Int64Text)
	return derived, err
}

func (k *pageKey) direction() string {
	if k.Descending {
		return " DESC"
	}
	return ""
}

// behind is the condition for the rows behind those whose keys are the parameters from the one given on.
func behind(keys []pageKey, param int) string {
	if rowValues(keys) {
		var names, params []string
		for i, k := range keys {
			names = append(names, quoteName(k.Column))
			params = append(params, "?"+strconv.Itoa(param+i))
		}
		return fmt.Sprintf("(%s) %s (%s)", strings.Join(names, ", "), keys[0].past(), strings.Join(params, ", "))
	}
	all := alternatives(keys, param)
	if first := keys[0]; !first.nullable {
		// This says nothing new, but is the range that an index can serve.
		return fmt.Sprintf("%s %s= ?%d AND (%s)", quoteName(first.Column), first.past(), param, all)
	}
	return "(" + all + ")"
}

// rowValues tells whether the keys compare as one: all in one direction, and none of them NULL.
func rowValues(keys []pageKey) bool {
	for _, k := range keys {
		if k.nullable || k.Descending != keys[0].Descending {
			return false
		}
	}
	return true
}

// alternatives is: past the first key, or equal in it and past the second, and so on.
func alternatives(keys []pageKey, param int) string {
	k := keys[0]
	name, value := quoteName(k.Column), "?"+strconv.Itoa(param)
	past, equal := fmt.Sprintf("%s %s %s", name, k.past(), value), "="
	if k.nullable {
		equal = "IS"
		if k.Descending {
			past += fmt.Sprintf(" OR %s IS NOT NULL AND %s IS NULL", value, name)
		} else {
			past += fmt.Sprintf(" OR %s IS NULL AND %s IS NOT NULL", value, name)
		}
	}
	if len(keys) == 1 {
		return past
	}
	return fmt.Sprintf("%s OR %s %s %s AND (%s)", past, name, equal, value, alternatives(keys[1:], param+1))
}

func (k *pageKey) past() string {
	if k.Descending {
		return "<"
	}
	return ">"
}

// explain warns of pages that no index serves.
func (h *page) explain(env *sluice.Env, ep *sluice.Endpoint) error {
	for _, p := range []*plan{h.first, h.next} {
		steps, err := h.db.Explain(p.stmt.SQL)
		if err != nil {
			return err
		}
		for _, s := range steps {
			if strings.HasPrefix(s.Detail, "USE TEMP B-TREE") && strings.HasSuffix(s.Detail, "ORDER BY") {
				env.Log.Warn("each page sorts all rows: no index has the order of its keyset", "endpoint", ep.Name, "keyset", h.purpose[len("cursor:"+ep.Name+" "):])
				return nil
			}
		}
	}
	return nil
}

// Serve answers with the first page, or with the one behind the cursor that the client gives back.
func (h *page) Serve(x *sluice.Exchange) error {
	call := h.watch.begin(x)
	return call.end(h.serve(x))
}

func (h *page) serve(x *sluice.Exchange) error {
	after, err := h.cursor(x)
	if err != nil {
		return err
	}
	p := h.first
	if after != nil {
		p = h.next
	}
	c, err := h.acquire(x)
	if err != nil {
		return err
	}
	defer h.db.Release(c)
	r, err := p.rows(c, x)
	if err != nil {
		return err
	}
	bindCursor(r, len(p.refs)+1, after)
	return h.answer(p, r, x)
}

// cursor is what the client gives back of a page before; nil asks for the first page.
func (h *page) cursor(x *sluice.Exchange) ([]byte, error) {
	sealed, count := x.Query(cursorName)
	if count == 0 || count == 1 && len(sealed) == 0 {
		return nil, nil
	}
	data, err := h.ring.Open(h.purpose, string(sealed))
	if err != nil || count > 1 || !validCursor(data, len(h.keys)) {
		return nil, errCursor
	}
	return data, nil
}

var errCursor = &sluice.Error{Code: sluice.BadRequest, Message: "the cursor is not one of this endpoint",
	Fields: []sluice.InputError{{Name: "query." + cursorName, Message: "want the next of an earlier page, as it came"}}}

var errNullKey = &sluice.Error{Code: sluice.Internal,
	Err: errors.New("a column of the keyset is NULL, and the plan of the statement says that it cannot be; want another keyset")}

func (h *page) answer(p *plan, r *sqlite.Rows, x *sluice.Exchange) error {
	var space [96]byte
	last := space[:0]
	body := append(x.Response.Body.Buffer(), `{"items":[`...)
	rows := 0
	for r.Step() {
		if rows == h.size {
			rows++
			break
		}
		if rows++; rows > 1 {
			body = append(body, ',')
		}
		if h.nullKey(r) {
			return errNullKey
		}
		if rows == h.size {
			last = h.appendCursor(last, r)
		}
		if body = p.appendRow(body, r); len(body) > maxAnswer {
			return errLarge
		}
	}
	if err := r.Err(); err != nil {
		return err
	}
	if rows <= h.size {
		setJSON(x, append(body, `],"next":null}`...))
		return nil
	}
	body = append(body, `],"next":"`...)
	body = append(body, h.ring.Seal(h.purpose, last)...)
	setJSON(x, append(body, `"}`...))
	return nil
}

func (h *page) nullKey(r *sqlite.Rows) bool {
	for i := range h.keys {
		if k := &h.keys[i]; !k.nullable && r.Type(k.column) == sqlite.Null {
			return true
		}
	}
	return false
}

// trimStatement is a statement without the semicolons at its end, and what comments follow them.
func trimStatement(sql string) string {
	end := 0
	for l := (lexer{text: sql}); l.at < len(sql); {
		start := l.at
		l.skip()
		switch token := sql[start:l.at]; {
		case strings.HasPrefix(token, "--"), strings.HasPrefix(token, "/*"), strings.TrimSpace(token) == "", token == ";":
		default:
			end = l.at
		}
	}
	return sql[:end]
}
