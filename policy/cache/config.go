package cache

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluiceapi/sluice"
)

// Config keeps answers and gives them again, without asking the backend, for as long as ttl says.
//
// Only answers to GET with status 200 are kept; HEAD is answered from them too. Where the backend speaks for itself,
// the shorter time counts: an answer is kept no longer than its own max-age, s-maxage or Expires, and not at all when
// it says no-store, no-cache or private, sets a cookie, has "Vary: *", or comes with trailers. Requests for a part
// (Range) and requests with a body go past the cache. What a request says in Cache-Control is not heeded: a client
// cannot make the backend work more.
//
// The key of an answer is made of the endpoint, the scheme and host asked for, the path and the whole query, whose
// parameters may come in any order, and of what a trusted proxy says of them in X-Forwarded fields and Forwarded. `key`,
// `vary` and `private` add to it; a backend's own Vary is heeded besides.
//
// What one caller gets is never given to another: where a policy finds out who asks, the block must say `private: true`
// or `shared: true`. Where none does, requests with Authorization or Cookie go past the cache, unless the block says
// `shared: true` or the backend says "Cache-Control: public".
//
// Requests for one answer that is not there are joined: one asks the backend, the others wait for what it gets, also
// those on other nodes. Where the answer cannot be kept, all others ask at once, and for some seconds nobody waits.
//
//	endpoints:
//	  get_product:
//	    route: GET /api/products/{id}
//	    policies:
//	      - cache:
//	          ttl: 1h
//	          tags: ["product:{id}"]
//
// Answers are kept in the node's memory and, where `state.redis` is set, in Redis too, from where other nodes take them.
// Tags name what an answer is made of: `invalidate` ends all answers of a tag, on every node within 100 ms, and at once
// for whoever sends the Consistency-Token of the write. While Redis cannot be reached, answers with tags are not given
// from the cache, because nobody could say whether they were ended: the backend is asked, by two requests at once for
// each answer, which the others share. Answers without tags go on. Redis may evict what it likes: what it has forgotten
// is fetched anew. Give it a maxmemory, because whoever may ask for any query may fill it.
//
// An answer that is older than what its caller has seen, by the Consistency-Token of the request, is not given.
//
// Every answer says in Cache-Status (RFC 9211) where it came from. Kept answers have an ETag, made of their content
// where the backend gave none, and are answered with 304 to who has them already. Put `compress` before the cache: it
// keeps answers as the backend made them.
type Config struct {
	// How long an answer is kept.
	TTL time.Duration `yaml:"ttl,short" required:"true" min:"1ms" max:"30d"`
	// How long after that an answer is still given, while a new one is fetched in the background. When the backend fails
	// meanwhile, the old one is given until this time is over. An answer that was ended by a tag is never given, nor one
	// of a backend that says must-revalidate, proxy-revalidate or s-maxage.
	StaleWhileRevalidate time.Duration `yaml:"stale_while_revalidate" max:"30d"`
	// What else the answer depends on, such as header.accept-language or caller.claims.tenant.
	Key []sluice.Reference `yaml:"key"`
	// Header fields of the request that the answer depends on.
	Vary []string `yaml:"vary"`
	// What the answer is made of, for `invalidate` to end it: up to 16 tags.
	Tags []sluice.Template `yaml:"tags"`
	// Each caller has answers of its own. For callers without a subject nothing is kept, and a public endpoint leaves the
	// block out of every_endpoint.
	Private bool `yaml:"private"`
	// All callers get the same answers. Say so only where that holds; what they depend on besides can stand in `key`.
	Shared bool `yaml:"shared"`
	// Memory for the answers of this cache alone, in each node. Left out, all caches that leave it out share 64MB.
	MaxSize sluice.Size `yaml:"max_size"`
	// The largest body that is kept.
	MaxBody sluice.Size `yaml:"max_body"`
}

const (
	defaultMaxSize = 64e6
	defaultMaxBody = 1e6
	maxTags        = 16
	maxVary        = 16
)

func defaults() Config { return Config{MaxBody: defaultMaxBody} }

// Check refuses what contradicts itself.
func (c *Config) Check() error {
	var errs []error
	if c.Private && c.Shared {
		errs = append(errs, sluice.At("shared", errors.New("answers cannot be both private and shared; want one of them")))
	}
	if len(c.Tags) > maxTags {
		errs = append(errs, sluice.At("tags", fmt.Errorf("%d tags; want no more than %d", len(c.Tags), maxTags)))
	}
	for i := range c.Tags {
		if c.Tags[i].IsZero() {
			errs = append(errs, sluice.At(fmt.Sprintf("tags[%d]", i), errors.New("an empty tag; want text such as product:{id}")))
		}
	}
	if len(c.Vary) > maxVary {
		errs = append(errs, sluice.At("vary", fmt.Errorf("%d fields; want no more than %d", len(c.Vary), maxVary)))
	}
	for i, name := range c.Vary {
		if !sluice.ValidFieldName([]byte(name)) {
			errs = append(errs, sluice.At(fmt.Sprintf("vary[%d]", i), fmt.Errorf("%q is not the name of a header field", name)))
		}
	}
	if c.MaxBody <= 0 {
		errs = append(errs, sluice.At("max_body", errors.New("nothing is kept; want a size such as 1MB")))
	}
	if c.MaxBody > mostBody {
		errs = append(errs, sluice.At("max_body", fmt.Errorf("more than %s; a cache is for short answers", sluice.Size(mostBody))))
	}
	if c.MaxSize != 0 && c.MaxSize < c.MaxBody {
		errs = append(errs, sluice.At("max_size", errors.New("less than max_body; want room for one answer at least")))
	}
	return errors.Join(errs...)
}

// mostBody bounds what is kept of one answer, in memory and in the store.
const mostBody = 64e6

// NeedsCaller tells that private answers are kept for callers that are known.
func (c *Config) NeedsCaller() bool { return c.Private }

// NodeBound tells that tags must be ended on all nodes.
func (c *Config) NodeBound() string {
	if len(c.Tags) == 0 {
		return ""
	}
	return "a purge of a tag must reach the caches of all nodes; want state.redis"
}
