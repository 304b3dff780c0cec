package sql

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluiceapi/sluice"
)

// cursorName is the query parameter that asks for the page behind a cursor.
const cursorName = "cursor"

// cursorVersion is the first byte of every cursor; the keys of a row follow it.
const cursorVersion = 2

// page answers with the rows of a reading statement page by page.
type page struct {
	handler
	pages
}

// pages are the statements of a page, and its keys.
type pages struct {
	// first finds the first page, next the rows behind a cursor.
	first, next *plan
	keyset      []Key
	keys        []pageKey
	valid       func(keys []byte, n int) bool
	size        int
	ring        *sluice.Keyring
	purpose     string
}

// pageKey is a column of the result that orders it.
type pageKey struct {
	Key
	column int
	// name is the column in SQL.
	name string
	// nullable is set when the column may hold a NULL, for which a condition needs more words.
	nullable bool
}

func (base handler) handlePage(env *sluice.Env, ep *sluice.Endpoint, use *Use, p *plan) (sluice.Handler, error) {
	h := &page{handler: base}
	if err := h.cut(env, ep, use, p, base.backend, ""); err != nil {
		return nil, err
	}
	return h, nil
}

// cut makes the statements of the pages from the user's. collate is what orders texts, if the database's own order is
// not to.
func (h *pages) cut(env *sluice.Env, ep *sluice.Endpoint, use *Use, p *plan, b *backend, collate string) error {
	if !p.readOnly {
		return sluice.At("page", fmt.Errorf("pages are read, and this %s writes", p.verb))
	}
	h.size, h.ring, h.purpose, h.valid = use.Page.Size, env.Keys, "cursor:"+ep.Name, b.dialect.validKeys
	var errs []error
	for i := range ep.Inputs {
		if in := &ep.Inputs[i]; in.Name == cursorName && in.In == "query" {
			errs = append(errs, sluice.At("page", errors.New("the query parameter cursor is the page's own, and the endpoint declares it as an input; want another name for that")))
		}
	}
	for i, k := range use.Page.Keyset {
		found, err := b.key(p, k)
		if err == nil && p.statement.keys[found.column] == noKey {
			err = fmt.Errorf("values of %s are no keys: they do not come back as they were; want another column", k.Column)
		}
		if err != nil {
			errs = append(errs, sluice.At(fmt.Sprintf("page.keyset[%d]", i), err))
		}
		h.keys = append(h.keys, found)
		h.keyset = append(h.keyset, found.Key)
		h.purpose += " " + k.String()
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := h.wrap(ep, p, b, collate); err != nil {
		return err
	}
	return h.explain(env, ep, b)
}

// key finds the column of a key in the result.
func (b *backend) key(p *plan, k Key) (pageKey, error) {
	for i, name := range p.columns {
		if strings.EqualFold(name, k.Column) {
			k.Column = name
			return pageKey{Key: k, column: i, nullable: b.nullable(p, i)}, nil
		}
	}
	if near := sluice.Nearest(k.Column, p.columns); near != "" {
		return pageKey{}, fmt.Errorf("the query gives no column %s; did you mean %s?", k.Column, near)
	}
	return pageKey{}, fmt.Errorf("the query gives no column %s; want one of %s", k.Column, strings.Join(p.columns, ", "))
}

// nullable tells whether a column may be NULL on any of the shards.
func (b *backend) nullable(p *plan, column int) bool {
	for i, s := range p.on {
		if s != nil && b.shards[i].nullable(s, column) {
			return true
		}
	}
	return false
}

// wrap makes the statements of the pages from the user's.
func (h *pages) wrap(ep *sluice.Endpoint, p *plan, b *backend, collate string) (err error) {
	from := "SELECT * FROM " + subquery(p.text) + " AS page"
	var order []string
	for i := range h.keys {
		k := &h.keys[i]
		k.name = quoteName(k.Column)
		if collate != "" && p.texts[k.column] {
			k.name += collate
		}
		order = append(order, k.name+k.direction(b.dialect))
	}
	// One row more than is answered shows whether another page follows.
	tail := " ORDER BY " + strings.Join(order, ", ")
	if h.size > 0 {
		tail += " LIMIT " + strconv.Itoa(h.size+1)
	}
	if h.first, err = b.derive(ep, p, from+tail); err != nil {
		return err
	}
	h.next, err = b.derive(ep, p, from+" WHERE "+behind(b.dialect, h.keys, len(p.refs)+1)+tail)
	return err
}

func (b *backend) derive(ep *sluice.Endpoint, p *plan, sql string) (*plan, error) {
	derived, err := b.prepare("query", sql, ep.Int64Text, func(_ *shard, err error) error {
		return sluice.At("query", fmt.Errorf("as a page, %s: %w", sql, err))
	})
	if err != nil {
		return nil, err
	}
	derived.refs, derived.verb = p.refs, p.verb
	return derived, nil
}

// direction is behind a column in ORDER BY: NULLs come first, with DESC last, in every database.
func (k *pageKey) direction(d *dialect) string {
	words := ""
	if k.Descending {
		words = " DESC"
	}
	switch {
	case d.nullsFirst || !k.nullable:
	case k.Descending:
		words += " NULLS LAST"
	default:
		words += " NULLS FIRST"
	}
	return words
}

// behind is the condition for the rows behind those whose keys are the parameters from the one given on.
func behind(d *dialect, keys []pageKey, param int) string {
	if rowValues(keys) {
		var names, params []string
		for i, k := range keys {
			names = append(names, k.name)
			params = append(params, d.parameter(param+i))
		}
		return fmt.Sprintf("(%s) %s (%s)", strings.Join(names, ", "), keys[0].past(), strings.Join(params, ", "))
	}
	all := alternatives(d, keys, param)
	if first := keys[0]; !first.nullable {
		// This says nothing new, but is the range that an index can serve.
		return fmt.Sprintf("%s %s= %s AND (%s)", first.name, first.past(), d.parameter(param), all)
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
func alternatives(d *dialect, keys []pageKey, param int) string {
	k := keys[0]
	name, value := k.name, d.parameter(param)
	past, equal := fmt.Sprintf("%s %s %s", name, k.past(), value), "="
	if k.nullable {
		equal = d.same
		if k.Descending {
			past += fmt.Sprintf(" OR %s IS NOT NULL AND %s IS NULL", value, name)
		} else {
			past += fmt.Sprintf(" OR %s IS NULL AND %s IS NOT NULL", value, name)
		}
	}
	if len(keys) == 1 {
		return past
	}
	return fmt.Sprintf("%s OR %s %s %s AND (%s)", past, name, equal, value, alternatives(d, keys[1:], param+1))
}

func (k *pageKey) past() string {
	if k.Descending {
		return "<"
	}
	return ">"
}

// explain warns of pages that no index serves.
func (h *pages) explain(env *sluice.Env, ep *sluice.Endpoint, b *backend) error {
	for _, p := range []*plan{h.first, h.next} {
		for i, s := range p.on {
			if s == nil {
				continue
			}
			sorts, err := b.shards[i].sorts(s)
			if err != nil {
				return err
			}
			if sorts {
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
	return call.end(h.reading(x, h))
}

func (h *page) readOn(x *sluice.Exchange, at int, c conn) error {
	p, in, err := h.turn(x)
	if err != nil {
		return err
	}
	r, err := p.run(at, c, in)
	if err != nil {
		return err
	}
	defer r.Close()
	return h.answer(r, x)
}

// turn is the statement that finds the page which is asked for, and what it runs with.
func (h *pages) turn(x *sluice.Exchange) (*plan, input, error) {
	after, err := h.cursor(x)
	if after == nil || err != nil {
		return h.first, h.first.input(x), err
	}
	in := h.next.input(x)
	in.keys = after
	return h.next, in, nil
}

// cursor is the keys that the client gives back of a page before; nil asks for the first page.
func (h *pages) cursor(x *sluice.Exchange) ([]byte, error) {
	sealed, count := x.Query(cursorName)
	if count == 0 || count == 1 && len(sealed) == 0 {
		return nil, nil
	}
	data, err := h.ring.Open(h.purpose, string(sealed))
	if err != nil || count > 1 || len(data) == 0 || data[0] != cursorVersion || !h.valid(data[1:], len(h.keys)) {
		return nil, errCursor
	}
	return data[1:], nil
}

var errCursor = &sluice.Error{Code: sluice.BadRequest, Message: "the cursor is not one of this endpoint",
	Fields: []sluice.InputError{{Name: "query." + cursorName, Message: "want the next of an earlier page, as it came"}}}

var errNullKey = &sluice.Error{Code: sluice.Internal,
	Err: errors.New("a column of the keyset is NULL, and the plan of the statement says that it cannot be; want another keyset")}

func (h *page) answer(r rows, x *sluice.Exchange) error {
	var space [96]byte
	last := append(space[:0], cursorVersion)
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
			last = h.appendKeys(last, r)
		}
		if body = r.AppendRow(body); len(body) > maxAnswer {
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

// appendKeys appends the keys of the row that r stands on.
func (h *pages) appendKeys(dst []byte, r rows) []byte {
	for i := range h.keys {
		dst = r.AppendKey(dst, h.keys[i].column)
	}
	return dst
}

func (h *pages) nullKey(r rows) bool {
	for i := range h.keys {
		if k := &h.keys[i]; !k.nullable && r.IsNull(k.column) {
			return true
		}
	}
	return false
}
