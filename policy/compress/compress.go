// Package compress makes answers smaller on their way to the client.
package compress

import (
	"bytes"
	_ "embed"
	"strconv"

	"github.com/sluiceapi/sluice"
)

//go:embed config.go
var source string

// Kind is the policy `compress`.
var Kind = sluice.NewPolicy("compress", defaults(), open, sluice.Manual(source))

func open(_ *sluice.Env, _ *sluice.Endpoint, c *Config) (sluice.Policy, error) {
	rules := rules{minSize: int64(c.MinSize), exact: map[string]struct{}{}}
	for _, text := range c.Types {
		t, err := parseType(text)
		if err != nil {
			return nil, err
		}
		if t.star {
			rules.patterns = append(rules.patterns, t)
		} else {
			rules.exact[t.text] = struct{}{}
		}
	}
	var err error
	if rules.pools, err = newPools(c.Level); err != nil {
		return nil, err
	}
	return func(next sluice.Handler) sluice.Handler { return &handler{rules: rules, next: next} }, nil
}

// rules are what Config says, ready to be asked.
type rules struct {
	minSize  int64
	exact    map[string]struct{}
	patterns []mediaType
	pools    *pools
}

type handler struct {
	rules
	next sluice.Handler
}

// Serve compresses an answer. Errors are short and made by the server later: they stay as they are.
func (h *handler) Serve(x *sluice.Exchange) error {
	if err := h.next.Serve(x); err != nil {
		return err
	}
	answer := &x.Response.Header
	coding := accepted(&x.Request.Header)
	if x.Response.Status == 304 {
		// The client holds what a 200 would have been: it must be told of that under the name it has.
		vary(answer)
		if coding != identity {
			weaken(answer)
		}
		return nil
	}
	if !h.fits(x) {
		return nil
	}
	vary(answer)
	if coding == identity {
		return nil
	}
	return h.encode(x, coding)
}

// fits tells whether the answer is one to compress, for a client that can read it.
func (r *rules) fits(x *sluice.Exchange) bool {
	answer := &x.Response.Header
	switch status := x.Response.Status; {
	case status != 0 && status < 200, status == 204, status == 205, status == 206, x.Response.Upgrade != nil:
		return false
	}
	if size := length(x); size >= 0 && (size < r.minSize || size == 0) {
		return false
	}
	return !answer.Has("Content-Encoding") && !answer.Has("Content-Range") && r.hasType(answer.Value("Content-Type")) && !untouchable(answer)
}

// length is how long the content is, or would be where it is left out of the answer to HEAD; -1 when that is not
// known.
func length(x *sluice.Exchange) int64 {
	size := x.Response.Body.Len()
	if size != 0 || x.Request.Method != "HEAD" {
		return size
	}
	text := x.Response.Header.Value("Content-Length")
	if size, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return size
	}
	return -1
}

func (r *rules) hasType(value []byte) bool {
	value, _, _ = bytes.Cut(value, []byte{';'})
	value = trim(value)
	var space [80]byte
	if len(value) == 0 || len(value) > len(space) {
		return false
	}
	lower := append(space[:0], value...)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + ('a' - 'A')
		}
	}
	if _, found := r.exact[string(lower)]; found {
		return true
	}
	for i := range r.patterns {
		p := &r.patterns[i]
		if len(lower) > len(p.text)+len(p.rest) && string(lower[:len(p.text)]) == p.text && string(lower[len(lower)-len(p.rest):]) == p.rest {
			return true
		}
	}
	return false
}

// untouchable tells whether the answer forbids to be transformed (RFC 9111, section 5.2.2.6).
func untouchable(answer *sluice.Header) bool {
	return listed(answer, "Cache-Control", "no-transform")
}

// listed tells whether a list in fields of that name holds the item, without regard to case.
func listed(h *sluice.Header, name, item string) bool {
	for _, f := range h.Fields() {
		if !bytes.EqualFold(f.Name, []byte(name)) {
			continue
		}
		for list := f.Value; len(list) > 0; {
			var part []byte
			part, list, _ = bytes.Cut(list, []byte{','})
			if bytes.EqualFold(trim(part), []byte(item)) {
				return true
			}
		}
	}
	return false
}

// encode puts the compressed content in the place of the content. What came out larger stays as it was.
func (h *handler) encode(x *sluice.Exchange, c coding) error {
	body := &x.Response.Body
	if x.Request.Method == "HEAD" {
		body.Close(nil)
		body.SetStream(nothing{}, -1)
		relabel(&x.Response.Header, c)
		return nil
	}
	w := h.pools.take(c)
	x.OnEnd(w)
	if body.Stream != nil {
		w.stream(body.Stream, body.Size < 0)
		body.SetStream(w, -1)
		relabel(&x.Response.Header, c)
		return nil
	}
	smaller, err := w.whole(body.Bytes)
	if err != nil {
		return err
	}
	if len(smaller) < len(body.Bytes) {
		body.SetBytes(smaller)
		relabel(&x.Response.Header, c)
	}
	return nil
}

// relabel says what the content is now. What was said of the bytes before holds no longer.
func relabel(answer *sluice.Header, c coding) {
	answer.Set("Content-Encoding", c.String())
	answer.DelFunc(func(f sluice.Field) bool { return sluice.OfBytes(f.Name) })
	weaken(answer)
}

// weaken makes a strong ETag weak (RFC 9110, section 8.8.3): the same content in other bytes.
func weaken(answer *sluice.Header) {
	tag := answer.Value("ETag")
	if len(tag) == 0 || tag[0] != '"' {
		return
	}
	var space [128]byte
	answer.SetCopy("ETag", append(append(space[:0], "W/"...), tag...))
}

func vary(answer *sluice.Header) {
	if !listed(answer, "Vary", "Accept-Encoding") && !listed(answer, "Vary", "*") {
		answer.Add("Vary", "Accept-Encoding")
	}
}
