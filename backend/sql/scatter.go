package sql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
)

// scatter answers with what all shards give, made into one.
type scatter struct {
	handler
	*plan
	use     *Scatter
	query   *Query
	gather  gather
	merges  []Merge // what becomes of each column, where rows are merged
	returns string
	// pages are set where the answer is in pages, or ordered: then first holds the ordered statement.
	pages     *pages
	paged     bool
	int64Text bool
}

// scatters tells whether the answer is made of what shards give. So it is with one database too where the order of rows,
// or what becomes of them, is the scatter's: the same request has the same answer on one database and on several.
func (u *Use) scatters(shards int) bool {
	s := u.Scatter
	return s != nil && (shards > 1 || u.Page != nil || len(s.Merge) > 0 || len(s.Order) > 0)
}

// gather makes one answer of what the shards gave, in their order; a part is nil that is left out.
type gather func(h *scatter, x *sluice.Exchange, parts []*part) error

// part is what one shard gives.
type part struct {
	h  *scatter
	x  *sluice.Exchange // a fork
	at int
	// from is the statement, and in what it runs with.
	from *plan
	in   input
	// rows are the rows as JSON, one after the other, and ends where each ends; keys those of the rows, if they are ordered.
	// Of a row that is merged there is a key for each column, and whether it is NULL.
	rows, keys     []byte
	ends, keysEnds []int
	nulls          []bool
	count          int64
	err            error
}

// refused are the words that mean something for all rows where each shard knows only its own.
var refused = []struct{ word, why string }{
	{"OFFSET", "OFFSET counts rows that stand on several shards; want page, which needs no counting"},
	{"LIMIT", "LIMIT would hold for each shard; want limit in scatter, or page"},
	{"FETCH", "FETCH would hold for each shard; want limit in scatter, or page"},
	{"DISTINCT", "DISTINCT would hold for each shard, and a row could come from several; want the statement without it"},
	{"GROUP", "GROUP BY would make a row of a group on each shard; want merge, with one row from each"},
	{"HAVING", "HAVING would hold for each shard's part of a group; want the statement without it"},
	{"UNION", "UNION would hold for each shard; want several endpoints"},
	{"INTERSECT", "INTERSECT would hold for each shard; want several endpoints"},
	{"EXCEPT", "EXCEPT would hold for each shard; want several endpoints"},
}

// checkScatter refuses what several shards cannot answer as one database would. OFFSET and DISTINCT are refused wherever
// they stand, the other words in the statement itself.
func checkScatter(s *SQL) error {
	var err error
	s.words(func(word string, at, depth int) bool {
		word = strings.ToUpper(word)
		for _, r := range refused {
			if r.word == word && (depth == 0 || word == "OFFSET" || word == "DISTINCT") {
				err = &sluice.FieldError{Offset: at + 1, Err: errors.New(r.why)}
				return false
			}
		}
		return true
	})
	return err
}

func (base handler) handleScatter(env *sluice.Env, ep *sluice.Endpoint, use *Use, p *plan, returns string) (sluice.Handler, error) {
	if !p.readOnly {
		return nil, sluice.At("scatter", fmt.Errorf("all shards can be asked, and this %s writes; want shard", p.verb))
	}
	h := &scatter{handler: base, plan: p, use: use.Scatter, query: &use.Query, returns: returns, int64Text: ep.Int64Text}
	s, field := use.Query.of(base.dialect)
	if e, refused := errors.AsType[*sluice.FieldError](checkScatter(s)); refused {
		e.Field = "query" + field
		return nil, e
	}
	switch {
	case len(use.Scatter.Merge) > 0:
		h.gather = gatherMerged
		return h, h.checkMerge()
	case use.Page != nil:
		h.gather, h.paged = gatherOrdered, true
		return h, h.order(env, ep, use)
	case len(use.Scatter.Order) > 0:
		h.gather = gatherOrdered
		ordered := *use
		ordered.Page = &Page{Keyset: use.Scatter.Order, Size: use.Scatter.Limit}
		return h, h.order(env, ep, &ordered)
	case returns == "one":
		h.gather = gatherOne
	case returns == "count":
		h.gather = gatherCount
	case returns == "none":
		h.gather = gatherNone
	default:
		h.gather = gatherMany
	}
	return h, nil
}

// order makes the statements that give the rows in order.
func (h *scatter) order(env *sluice.Env, ep *sluice.Endpoint, use *Use) error {
	h.pages = &pages{}
	if err := h.pages.cut(env, ep, use, h.plan, h.backend, h.dialect.collate); err != nil {
		return err
	}
	for i := range h.pages.keys {
		if k := &h.pages.keys[i]; h.statement.keys[k.column] != merges {
			return fmt.Errorf("the order of %s is known to its database alone, and the rows of several are merged by it; want another column", k.Column)
		}
	}
	return nil
}

// Serve asks all shards at once.
func (h *scatter) Serve(x *sluice.Exchange) error {
	call := h.watch.begin(x)
	return call.end(h.serve(x))
}

func (h *scatter) serve(x *sluice.Exchange) error {
	from, in := h.plan, h.input(x)
	if h.pages != nil {
		from = h.pages.first
		if h.paged {
			var err error
			if from, in, err = h.pages.turn(x); err != nil {
				return err
			}
		}
	}
	ctx, cancel := context.WithCancel(x.Context())
	defer cancel()
	parts := make([]*part, len(h.shards))
	var asked sync.WaitGroup
	for i := range parts {
		p := &part{h: h, x: x.Fork(ctx), at: i, from: from, in: in}
		p.in.x = p.x
		if end := time.Now().Add(h.use.Timeout); p.x.Deadline.IsZero() || end.Before(p.x.Deadline) {
			p.x.Deadline = end
		}
		parts[i] = p
		asked.Go(func() {
			if p.err = h.readingFrom(p.x, p.at, p); p.err != nil && h.use.Partial == "fail" {
				cancel() // nobody wants what the others would give
			}
		})
	}
	asked.Wait()
	if err := h.outcome(x, parts); err != nil {
		return err
	}
	return h.gather(h, x, parts)
}

// readOn reads all that the shard gives.
func (p *part) readOn(x *sluice.Exchange, at int, c conn) error {
	p.rows, p.keys, p.ends, p.keysEnds, p.nulls, p.count = p.rows[:0], p.keys[:0], p.ends[:0], p.keysEnds[:0], p.nulls[:0], 0
	r, err := p.from.run(at, c, p.in)
	if err != nil {
		return err
	}
	defer r.Close()
	if p.h.returns == "count" {
		p.count, err = howMany(p.from.statement, r)
		return err
	}
	for r.Step() {
		p.rows = r.AppendRow(p.rows)
		p.ends = append(p.ends, len(p.rows))
		if p.h.pages != nil {
			if p.h.pages.nullKey(r) {
				return errNullKey
			}
			p.keys = p.h.pages.appendKeys(p.keys, r)
			p.keysEnds = append(p.keysEnds, len(p.keys))
		}
		for i := range p.h.merges {
			p.keys = r.AppendKey(p.keys, i)
			p.keysEnds = append(p.keysEnds, len(p.keys))
			p.nulls = append(p.nulls, r.IsNull(i))
		}
		if len(p.rows) > maxAnswer {
			return errLarge
		}
	}
	return r.Err()
}

// row is the i-th row as JSON.
func (p *part) row(i int) []byte { return cut(p.rows, p.ends, i) }

// key is the keys of the i-th row, or the key of the i-th column of one that is merged.
func (p *part) key(i int) []byte { return cut(p.keys, p.keysEnds, i) }

func cut(b []byte, ends []int, i int) []byte {
	start := 0
	if i > 0 {
		start = ends[i-1]
	}
	return b[start:ends[i]]
}

// outcome is the error of the answer, if there is to be none. Parts that may be missing, and are, become nil.
func (h *scatter) outcome(x *sluice.Exchange, parts []*part) error {
	var missing []string
	var first error
	for i, p := range parts {
		if p.err == nil {
			x.Join(p.x)
			if p.x.Response.Header.Has(lostField) {
				x.Response.Header.Set(lostField, "1")
			}
			continue
		}
		e, _ := errors.AsType[*sluice.Error](h.dialect.toClient(p.err))
		if h.use.Partial != "allow" || !passes(e) {
			if first == nil || sluice.ErrorOf(first).Code == sluice.ClientLeft { // one that was cancelled tells nothing
				first = h.failed(i, e)
			}
			continue
		}
		missing = append(missing, h.shards[i].name)
		parts[i] = nil
	}
	switch {
	case first != nil:
		return first
	case len(missing) == len(parts):
		return errNoShard
	case len(missing) > 0:
		x.Response.Header.Set("Sluice-Partial", strings.Join(missing, ", "))
	}
	return nil
}

// passes tells whether a shard that failed so may be left out: it could not be reached, or was late.
func passes(e *sluice.Error) bool {
	return e.Code == sluice.Unavailable || e.Code == sluice.GatewayTimeout
}

var errNoShard = &sluice.Error{Code: sluice.Unavailable, Message: "no part of the data can be reached now", RetryAfter: retryAfter}

// failed is the error of a shard as the answer.
func (h *scatter) failed(i int, e *sluice.Error) error {
	if !passes(e) {
		return e
	}
	return &sluice.Error{Code: sluice.Unavailable, Message: "a part of the data cannot be reached now", RetryAfter: retryAfter,
		Err: fmt.Errorf("shard %s: %w", h.shards[i].name, e)}
}

func gatherMany(_ *scatter, x *sluice.Exchange, parts []*part) error {
	body := append(x.Response.Body.Buffer(), '[')
	for _, p := range parts {
		for i := range p.length() {
			body = appendElement(body, p.row(i))
		}
		if len(body) > maxAnswer {
			return errLarge
		}
	}
	setJSON(x, append(body, ']'))
	return nil
}

// length is how many rows there are; a part that is left out has none.
func (p *part) length() int {
	if p == nil {
		return 0
	}
	return len(p.ends)
}

// appendElement appends an element to an array that is open.
func appendElement(dst, element []byte) []byte {
	if dst[len(dst)-1] != '[' {
		dst = append(dst, ',')
	}
	return append(dst, element...)
}

func gatherOne(_ *scatter, x *sluice.Exchange, parts []*part) error {
	var found []byte
	for _, p := range parts {
		switch n := p.length(); {
		case n > 1 || n == 1 && found != nil:
			return errTooMany
		case n == 1:
			found = p.row(0)
		}
	}
	switch {
	case found != nil:
	case slices.Contains(parts, nil):
		return errNoShard // it may stand on the one that is missing
	default:
		return errNoRow
	}
	setJSON(x, append(x.Response.Body.Buffer(), found...))
	return nil
}

func gatherCount(h *scatter, x *sluice.Exchange, parts []*part) error {
	var n int64
	for _, p := range parts {
		if p != nil {
			n += p.count
		}
	}
	setCount(x, n, h.int64Text)
	return nil
}

func gatherNone(_ *scatter, x *sluice.Exchange, _ []*part) error {
	x.Response.Status = 204
	return nil
}

// gatherOrdered merges rows that each shard gives in order.
func gatherOrdered(h *scatter, x *sluice.Exchange, parts []*part) error {
	size := h.pages.size
	body := x.Response.Body.Buffer()
	if h.paged {
		body = append(body, `{"items":`...)
	}
	body = append(body, '[')
	next := make([]int, len(parts))
	var last []byte
	rows := 0
	for ; ; rows++ {
		at := h.least(parts, next)
		if at < 0 || size > 0 && rows == size {
			break
		}
		body = appendElement(body, parts[at].row(next[at]))
		last = parts[at].key(next[at])
		next[at]++
		if len(body) > maxAnswer {
			return errLarge
		}
	}
	body = append(body, ']')
	if !h.paged {
		setJSON(x, body)
		return nil
	}
	if h.least(parts, next) < 0 {
		setJSON(x, append(body, `,"next":null}`...))
		return nil
	}
	body = append(body, `,"next":"`...)
	body = append(body, h.pages.ring.Seal(h.pages.purpose, append([]byte{cursorVersion}, last...))...)
	setJSON(x, append(body, `"}`...))
	return nil
}

// least is the part whose next row comes first, or -1 when there is none. Of rows with the same keys that of the shard
// named first comes first.
func (h *scatter) least(parts []*part, next []int) int {
	least := -1
	for i, p := range parts {
		if next[i] >= p.length() {
			continue
		}
		if least < 0 || h.dialect.compareKeys(p.key(next[i]), parts[least].key(next[least]), h.pages.keyset) < 0 {
			least = i
		}
	}
	return least
}
