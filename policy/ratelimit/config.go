package ratelimit

import (
	"errors"
	"time"

	"github.com/sluiceapi/sluice"
)

// Config lets no more requests through than a rate allows. Others get 429 with Retry-After, which tells when the next will be
// let through. All nodes count together where state.redis is set; with more than one node it must be.
//
//	every_request:
//	  - rate_limit: {rate: 100/s, burst: 50}
//	policies:
//	  signed_in:
//	    - jwt: {issuer: "https://id.example.org", audience: shop}
//	    - rate_limit: {rate: 1000/m, by: caller}
//
// What is counted together: requests with the same values of `by`, in one bucket for each place in the config where a
// block stands. So a limit in an endpoint's own list is that endpoint's, and one in every_endpoint, or in a list under
// policies, is one limit for all endpoints that have it. A reload keeps all counts; blocks that move to another place start
// anew, unless they have a name.
//
// A client is told where it stands, as draft-ietf-httpapi-ratelimit-headers-10 has it:
//
//	RateLimit-Policy: "100/s";q=100;w=1
//	RateLimit: "100/s";r=50;t=1
type Config struct {
	// The rate, such as 100/s, 1000/m, 5/h or 10/30s.
	Rate sluice.Rate `yaml:"rate,short" required:"true"`
	// How many may come at once beyond the one that is due, as nginx counts them with burst and nodelay. Left out it is
	// one less than the rate's number: rate: 100/m lets 100 through at once, and then one every 0.6 s. Not for windows.
	Burst *int64 `yaml:"burst" min:"0"`
	// How it is counted. token_bucket: evenly, after a burst. fixed_window: so many in each period, which starts at a
	// multiple of it since 1970 in UTC, as with a quota for each day; around the turn of two periods twice as many may
	// come.
	Algorithm string `yaml:"algorithm" enum:"token_bucket,fixed_window"`
	// Whom the rate is for: a reference, or a list of them that count together, such as client_ip, caller, id or
	// header.x-tenant. An IPv6 client_ip counts as its /64 network, which is what one customer has. Requests without a value
	// share one rate. Left out it is client_ip.
	By []sluice.Reference `yaml:"by,one"`
	// The name under which requests are counted, in place of the block's place in the config: blocks of one name share
	// their counts, and should say the same. It is told to clients and stands in metrics.
	Name string `yaml:"name"`
	// What to do when Redis does not answer in time. local: count on this node alone, with the limit divided by nodes.
	// allow: let all through. deny: refuse all with 503.
	OnStoreFailure string `yaml:"on_store_failure" enum:"local,allow,deny"`
	// Count, and refuse nothing: metrics tell how many would have been refused.
	DryRun bool `yaml:"dry_run"`
	// What clients are told with every answer. draft10: RateLimit-Policy and RateLimit. legacy: X-RateLimit-Limit,
	// X-RateLimit-Remaining and X-RateLimit-Reset, in seconds from now. none: nothing but Retry-After when they are refused.
	Headers string `yaml:"headers" enum:"draft10,legacy,none"`
}

const (
	tokenBucket = "token_bucket"
	fixedWindow = "fixed_window"

	localOnFailure = "local"
	allowOnFailure = "allow"
	denyOnFailure  = "deny"

	draft10Headers = "draft10"
	legacyHeaders  = "legacy"
	noHeaders      = "none"
)

func defaults() Config {
	return Config{Algorithm: tokenBucket, OnStoreFailure: localOnFailure, Headers: draft10Headers}
}

// Check refuses limits that cannot be kept.
func (c *Config) Check() error {
	var errs []error
	if c.Name != "" && !sluice.ValidName(c.Name) {
		errs = append(errs, sluice.At("name", errors.New("this name is not plain; want letters, digits, - and _, and a letter first")))
	}
	if c.Rate.Per < time.Millisecond {
		errs = append(errs, sluice.At("rate", errors.New("a period this short cannot be told apart; want 1ms or more")))
	}
	if c.Algorithm != fixedWindow {
		return errors.Join(append(errs, sluice.At("rate", c.bucket().Check()))...)
	}
	if c.Burst != nil {
		errs = append(errs, sluice.At("burst", errors.New("a fixed window has none; want it left out, or algorithm: token_bucket")))
	}
	return errors.Join(append(errs, sluice.At("rate", c.window().Check()))...)
}

func (c *Config) bucket() sluice.Bucket {
	size := c.Rate.Count
	if c.Burst != nil {
		size = *c.Burst + 1
	}
	return sluice.Bucket{Rate: c.Rate, Size: size}
}

func (c *Config) window() sluice.Window { return sluice.Window{Rate: c.Rate} }

// NodeBound says that without a store each node counts for itself.
func (c *Config) NodeBound() string {
	return "each of them would let the whole rate through; want state.redis, where all count together"
}
