package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"sync"
	"unsafe"

	"github.com/sluiceapi/sluice"
)

// key is under what an answer is kept: all that the answer depends on, each part with its length before it, so that no two
// requests make one key of different parts. A long one is a hash of that which cannot be forged (SHA-256).
type key string

// maxKey is how long a key is before it is hashed, so that memory goes to answers.
const maxKey = 512

// text is the key as it stands in the store.
func (k key) text() string {
	sum := sha256.Sum256([]byte(k))
	return "cache:" + hex.EncodeToString(sum[:])
}

// keyVersion is raised when keys are made otherwise, so that nodes of two versions keep apart. It begins every key, but
// those of variants and those that are hashed.
const keyVersion = 2

const (
	variantKey = iota
	hashedKey
)

// place is where an answer is kept: under the primary key of what is asked for, or under a variant of it by the fields
// of the request that are named.
type place struct {
	primary, at key
	names       []string
}

// own is a place that borrows nothing.
func (p place) own() place {
	own := place{primary: key(strings.Clone(string(p.primary))), names: p.names}
	if own.at = own.primary; p.at != p.primary {
		own.at = key(strings.Clone(string(p.at)))
	}
	return own
}

// keys makes the keys of one cache.
type keys struct {
	rules   []byte
	refs    []sluice.Reference
	vary    []string
	private bool
	pool    sync.Pool
}

// newKeys says the rules of the cache in what all its keys begin with: answers that were kept under other rules are
// not found.
func newKeys(ep *sluice.Endpoint, c *Config) *keys {
	k := &keys{refs: c.Key, vary: c.Vary, private: c.Private}
	k.rules = appendPart([]byte{keyVersion}, []byte(ep.Name))
	k.rules = append(k.rules, flag(c.Private), flag(c.Shared))
	k.rules = binary.AppendUvarint(k.rules, uint64(c.TTL))
	k.rules = binary.AppendUvarint(k.rules, uint64(c.StaleWhileRevalidate))
	k.rules = binary.AppendUvarint(k.rules, uint64(len(c.Key)))
	for i := range c.Key {
		k.rules = appendPart(k.rules, []byte(c.Key[i].String()))
	}
	k.rules = binary.AppendUvarint(k.rules, uint64(len(c.Vary)))
	for _, name := range c.Vary {
		k.rules = appendPart(k.rules, bytes.ToLower([]byte(name)))
	}
	k.rules = binary.AppendUvarint(k.rules, uint64(len(c.Tags)))
	for i := range c.Tags {
		k.rules = appendPart(k.rules, []byte(c.Tags[i].String()))
	}
	k.pool.New = func() any { return &scratch{} }
	return k
}

// scratch is memory to make keys in, which borrow it.
type scratch struct {
	primary, variant []byte
	pairs            []pair
}

func (k *keys) borrow() *scratch { return k.pool.Get().(*scratch) }

func (k *keys) giveBack(s *scratch) { k.pool.Put(s) }

// of is the key of what is asked for. It borrows s.
func (k *keys) of(x *sluice.Exchange, s *scratch) key {
	r := &x.Request
	b := append(s.primary[:0], k.rules...)
	b = append(b, flag(r.Scheme == "https"))
	b = appendHost(b, r.Host)
	b = appendForwarded(b, r)
	b = appendPart(b, r.Path)
	b = s.appendQuery(b, r.Query)
	for i := range k.refs {
		b = appendValue(b, k.refs[i].Value(x))
	}
	for _, name := range k.vary {
		b = appendField(b, &r.Header, name)
	}
	if k.private {
		b = appendLength(b)
		at := len(b)
		b = x.Caller.AppendKey(b)
		setLength(b, at)
	}
	s.primary = bounded(b)
	return borrowed(s.primary)
}

// variant is the key of an answer that depends on those fields of the request too. It borrows s.
func (k *keys) variant(primary key, names []string, h *sluice.Header, s *scratch) key {
	b := append(s.variant[:0], variantKey)
	b = append(binary.AppendUvarint(b, uint64(len(primary))), primary...)
	for _, name := range names {
		b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
		b = appendField(b, h, name)
	}
	s.variant = bounded(b)
	return borrowed(s.variant)
}

// bounded is a key, or its hash in its memory.
func bounded(b []byte) []byte {
	if len(b) <= maxKey {
		return b
	}
	sum := sha256.Sum256(b)
	return append(append(b[:0], hashedKey), sum[:]...)
}

func borrowed(b []byte) key { return key(unsafe.String(unsafe.SliceData(b), len(b))) }

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func appendPart(dst, part []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(part))), part...)
}

// appendHost appends a host without regard to case (RFC 3986, section 3.2.2).
func appendHost(dst, host []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(host)))
	for _, c := range host {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// What parts of appendForwarded begin with.
const (
	lastForwarded = iota
	elementForwarded
	fieldForwarded
)

// appendForwarded appends what backends are told, on a trusted proxy's word, of how the client has reached it: they make
// links of that as of the host, and many a proxy passes on what its client said. For whom it was is left out.
func appendForwarded(dst []byte, r *sluice.Request) []byte {
	for _, f := range r.Header.Fields() {
		switch {
		case !r.TrustedPeer || !hasPrefix(f.Name, "x-forwarded-") && !hasPrefix(f.Name, "forwarded"):
		case len(f.Name) == len("forwarded"):
			for rest := f.Value; len(rest) > 0; {
				pair := rest
				if end := bytes.IndexAny(rest, ",;"); end >= 0 {
					pair, rest = rest[:end], rest[end+1:]
				} else {
					rest = nil
				}
				if pair = bytes.Trim(pair, " \t"); !hasPrefix(pair, "for=") && !hasPrefix(pair, "by=") {
					dst = appendPart(append(dst, elementForwarded), pair)
				}
			}
		case !sluice.SameToken(f.Name, "x-forwarded-for"):
			dst = appendPart(appendHost(append(dst, fieldForwarded), f.Name), f.Value)
		}
	}
	return append(dst, lastForwarded)
}

func hasPrefix(text []byte, prefix string) bool {
	return len(text) >= len(prefix) && sluice.SameToken(text[:len(prefix)], prefix)
}

// appendValue appends a value with its type.
func appendValue(dst []byte, v sluice.Value) []byte {
	dst = appendLength(append(dst, byte(v.Type())))
	at := len(dst)
	dst = v.AppendText(dst)
	setLength(dst, at)
	return dst
}

// appendLength leaves room for the length of a part that is appended next, from at on; setLength fills it in.
func appendLength(dst []byte) []byte { return append(dst, 0, 0, 0, 0, 0, 0, 0, 0) }

func setLength(b []byte, at int) { binary.BigEndian.PutUint64(b[at-8:], uint64(len(b)-at)) }

// appendField appends all values of a field of the request, one by one.
func appendField(dst []byte, h *sluice.Header, name string) []byte {
	dst = binary.AppendUvarint(dst, uint64(h.Count(name)))
	for _, f := range h.Fields() {
		if sluice.SameToken(f.Name, name) {
			dst = appendPart(dst, bytes.Trim(f.Value, " \t"))
		}
	}
	return dst
}

// pair is one parameter of a query as it came, and its name.
type pair struct{ whole, name []byte }

// maxPairs bounds the work of putting a query in order.
const maxPairs = 64

// appendQuery appends a query with its parameters in the order of their names, those of one name as they came. The
// order is only taken away where no backend could tell: names are letters, digits, dashes and underscores, compared
// without case, and the query holds no semicolon, which some take for an ampersand. Any other query stays as it came.
func (s *scratch) appendQuery(dst, query []byte) []byte {
	pairs, plain := s.split(query)
	if !plain {
		return appendPart(append(dst, 0), query)
	}
	for i := 1; i < len(pairs); i++ {
		for j := i; j > 0 && compareNames(pairs[j].name, pairs[j-1].name) < 0; j-- {
			pairs[j], pairs[j-1] = pairs[j-1], pairs[j]
		}
	}
	dst = binary.AppendUvarint(append(dst, 1), uint64(len(pairs)))
	for _, p := range pairs {
		dst = appendPart(dst, p.whole)
	}
	clear(pairs)
	return dst
}

func (s *scratch) split(query []byte) (pairs []pair, plain bool) {
	pairs = s.pairs[:0]
	for rest, more := query, len(query) > 0; more; {
		var whole []byte
		whole, rest, more = bytes.Cut(rest, []byte{'&'})
		name, _, _ := bytes.Cut(whole, []byte{'='})
		if len(pairs) == maxPairs || !plainName(name) || bytes.IndexByte(whole, ';') >= 0 {
			return nil, false
		}
		pairs = append(pairs, pair{whole, name})
	}
	s.pairs = pairs
	return pairs, true
}

func plainName(name []byte) bool {
	for _, c := range name {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return len(name) > 0
}

func compareNames(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if c, d := lower(a[i]), lower(b[i]); c != d {
			return int(c) - int(d)
		}
	}
	return len(a) - len(b)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
