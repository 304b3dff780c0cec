package jwt

import (
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
)

// verifier finds out whether tokens are signed by the keys of an issuer. It is shared by all blocks with the same
// keys, and may be used at once by many.
type verifier struct {
	keys     keys
	allowed  allowed
	now      func() time.Time
	verified *verified
	failures *failures
	readers  sync.Pool
	counts   counts
	log      *refusalLog
}

// keys are where the keys of the moment come from.
type keys interface {
	// set is that of the moment; nil while there is none that may be used.
	set() *keySet
	// first is the set of the moment, after the first try to get one: a request may wait for it.
	first(x *sluice.Exchange) *keySet
	// renew fetches the keys again for a token whose key is not known, if that may be, and waits for it. It tells
	// whether they may be others now.
	renew(x *sluice.Exchange, kid []byte) bool
}

// fixed are keys that stay as they are.
type fixed struct{ *keySet }

func (f fixed) set() *keySet { return f.keySet }

func (f fixed) first(*sluice.Exchange) *keySet { return f.keySet }

func (f fixed) renew(*sluice.Exchange, []byte) bool { return false }

// claims are those of a token with a good signature, or why it is refused. The token is borrowed; now is the time of
// the request. A token that was verified before costs no memory.
func (v *verifier) claims(x *sluice.Exchange, raw []byte, now time.Time) (*claims, refusal) {
	set := v.keys.set()
	if set != nil {
		if c := v.verified.claims(raw, set, now.UnixNano()); c != nil {
			v.counts.cached.Add(1)
			return c, ""
		}
	}
	r := v.readers.Get().(*reader)
	defer v.readers.Put(r)
	if why := r.read(raw, v.allowed); why != "" {
		return nil, why
	}
	if set == nil {
		set = v.keys.first(x)
		if x.Waited(); set == nil {
			return nil, refusedUnusable
		}
	}
	c, why := v.verify(r, raw, set, now)
	if why == refusedUnknownKey && v.keys.renew(x, r.token.kid) {
		x.Waited()
		if set = v.keys.set(); set == nil {
			return nil, refusedUnusable
		}
		c, why = v.verify(r, raw, set, now)
	}
	return c, why
}

// verify verifies a token that was read, unless it is known as bad.
func (v *verifier) verify(r *reader, raw []byte, set *keySet, now time.Time) (*claims, refusal) {
	hashes := v.failures.hashes(raw)
	if why := v.failures.why(hashes, set, now.UnixNano()); why != "" {
		return nil, why
	}
	c, why := r.verify(set)
	if why == "" && now.Unix() >= c.expires+int64(maxSkew/time.Second) {
		c, why = nil, refusedExpired // to every block, and for good
	}
	switch why {
	case "":
		v.counts.verified.Add(1)
		v.verified.add(raw, c, set, now)
	case refusedUnknownKey, refusedNoKey, refusedManyKeys, refusedKeyAlgorithm: // they cost nothing to find out
	default:
		v.failures.add(hashes, set, now, why)
	}
	return c, why
}

// verify verifies the signature first, so that nothing else of a stranger's is read.
func (r *reader) verify(set *keySet) (*claims, refusal) {
	var ok bool
	if r.decoded, ok = decode(r.decoded, r.token.signature); !ok {
		return nil, refusedBase64
	}
	if why := set.verify(&r.token, r.decoded); why != "" {
		return nil, why
	}
	payload, ok := decode(nil, r.token.payload)
	if !ok {
		return nil, refusedBase64
	}
	return readClaims(&r.objects, payload, typeName(r.token.typ))
}
