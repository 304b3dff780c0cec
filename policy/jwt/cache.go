package jwt

import (
	"hash/maphash"
	"sync"
	"time"
	"unsafe"

	"github.com/maypok86/otter/v2"
)

// maxKept is how long a token is kept as verified.
const maxKept = 5 * time.Minute

// verified are the claims of tokens whose signature was found good, by the whole token. They are claims and no
// verdicts: whoever uses them checks them.
type verified struct {
	tokens *otter.Cache[string, *entry]
}

// entry is one token that was verified.
type entry struct {
	claims *claims
	// set is what it was verified with: another set does not vouch for it.
	set *keySet
	// until is when it must be verified again, in nanoseconds since 1970.
	until int64
}

// newVerified makes a cache of that many bytes. It hashes keys with a seed of its own, so nobody can make tokens that
// collide, and compares them whole. It has no goroutine of its own: what is to be done is done by those who call.
func newVerified(bytes int64) *verified {
	return &verified{tokens: otter.Must(&otter.Options[string, *entry]{
		MaximumWeight: uint64(bytes),
		Weigher:       func(token string, e *entry) uint32 { return uint32(len(token) + e.claims.size()) },
		Executor:      func(f func()) { f() },
	})}
}

// claims are those of a token that was verified with the set and need not be verified again yet; nil when there are
// none.
func (v *verified) claims(token []byte, set *keySet, now int64) *claims {
	e, found := v.tokens.GetIfPresent(unsafe.String(unsafe.SliceData(token), len(token))) // it keeps no key that it is asked for
	if !found || e.set != set || now >= e.until {
		return nil
	}
	return e.claims
}

func (v *verified) add(token []byte, c *claims, set *keySet, now time.Time) {
	until := now.Add(maxKept)
	if e := time.Unix(c.expires, 0).Add(maxSkew); e.Before(until) {
		until = e // no block takes it any longer
	}
	v.tokens.Set(string(token), &entry{claims: c, set: set, until: until.UnixNano()})
}

// failures are tokens whose signature or claims were found bad, so that junk that is sent again costs no verification
// again. They have a place of their own, in which they only push out each other.
type failures struct {
	seeds [2]maphash.Seed
	mu    sync.Mutex // guards slots
	slots [1024]failure
}

// failure is one token, by two hashes with secret seeds: 128 bits that nobody can aim at.
type failure struct {
	hashes [2]uint64
	set    *keySet
	until  int64
	why    refusal
}

func newFailures() *failures {
	return &failures{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

func (f *failures) hashes(token []byte) [2]uint64 {
	return [2]uint64{maphash.Bytes(f.seeds[0], token), maphash.Bytes(f.seeds[1], token)}
}

// why is why a token was refused with the set; "" when it is not known.
func (f *failures) why(hashes [2]uint64, set *keySet, now int64) refusal {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.slots[hashes[0]%uint64(len(f.slots))]
	if s.hashes != hashes || s.set != set || now >= s.until {
		return ""
	}
	return s.why
}

func (f *failures) add(hashes [2]uint64, set *keySet, now time.Time, why refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slots[hashes[0]%uint64(len(f.slots))] = failure{hashes: hashes, set: set, until: now.Add(maxKept).UnixNano(), why: why}
}
