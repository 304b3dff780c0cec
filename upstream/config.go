package upstream

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/sluiceapi/sluice"
)

// Manual is the source of this file: its comments are the manual of what kinds of backends embed of it.
//
//go:embed config.go
var Manual string

// Config says how the hosts of one upstream are found, judged and chosen. A backend's block embeds it.
type Config struct {
	// Which host a request goes to, of those that are well.
	Balance Balance `yaml:"balance"`
	// When a host gets no requests for a while, because those that it got have failed.
	Ejection Ejection `yaml:"ejection"`
	// How names are looked up.
	DNS DNS `yaml:"dns"`
}

// Balance chooses among the hosts that are well.
//
//	balance: round_robin
//
//	balance:
//	  consistent_hash: {by: caller.subject}
type Balance struct {
	// least_requests: of two hosts at random, the one with fewer requests under way, so that a slow host gets less.
	// round_robin: one after the other.
	Method string `yaml:"method,short" enum:"least_requests,round_robin"`
	// Requests of one key go to one host, for as long as it is well. Comes before method.
	ConsistentHash *ConsistentHash `yaml:"consistent_hash"`
}

// ConsistentHash sends requests of one key to one host. All nodes choose alike, and when a host comes or goes, only the keys
// that it gets or had move.
type ConsistentHash struct {
	// The key: a reference to what every request brings, such as caller.subject, client_ip, header.x-tenant or query.room.
	// A request without it is balanced by method.
	By sluice.Reference `yaml:"by,short" required:"true"`
	// How far above the average of requests under way a host may come before a key's requests go to the next host of that
	// key. Hosts with fewer than 8 take more in any case.
	Over sluice.Percent `yaml:"over" default:"25%"`
}

// Ejection takes a host out that gives no usable answers. It is out for base at first, longer each time that it happens
// again; then one request tries it, and it is back when that succeeds. What counts as a failure is said at the backend.
//
// A host that takes no connection is out in any case: for a second at first, at most for 10. When no host is left, those
// that are out are asked all the same.
type Ejection struct {
	// So many failures one after the other. Zero is without end.
	Failures int `yaml:"failures" min:"0"`
	// This share of failures among the requests of the last window. Zero turns it off.
	Rate sluice.Percent `yaml:"rate"`
	// The requests that a host must have had within the window before their rate counts.
	Volume int `yaml:"volume" min:"1"`
	// The time over which the rate is taken.
	Window time.Duration `yaml:"window"`
	// The time for which a host is out the first time. It doubles each time that the host fails again soon after.
	Base time.Duration `yaml:"base"`
	// The longest time for which a host is out.
	Max time.Duration `yaml:"max"`
	// The share of the hosts that is never ejected, whatever happens, and one host at least: when most hosts fail, the
	// reason lies elsewhere.
	Keep sluice.Percent `yaml:"keep"`
}

// Checks have every host asked at intervals whether it is well. Requests go to those that are, or to all when none is.
type Checks struct {
	// The time between two checks of one host.
	Every time.Duration `yaml:"every" default:"5s"`
	// What one check may take.
	Timeout time.Duration `yaml:"timeout" default:"2s"`
	// So many failed checks, one after the other, and the host is not well.
	Fail int `yaml:"fail" min:"1" default:"3"`
	// So many good checks, one after the other, and it is well again.
	Pass int `yaml:"pass" min:"1" default:"1"`
}

// DNS follows the addresses of names. Each address is a host of its own. Of a name with addresses of IPv4 and of IPv6,
// those of the family are used that the system prefers. An answer is used until there is another one: when the lookup
// fails, or gives nothing, the addresses stay. A host whose address is gone gets no more requests, and finishes those
// that it has. Localhost, and what is an address already, is not looked up.
type DNS struct {
	// The time between two lookups of a name. A host that takes no connection brings the next one forward.
	Every time.Duration `yaml:"every"`
	// The name server to ask, such as 10.0.0.53:53, instead of the system's.
	Server string `yaml:"server"`
}

const (
	leastRequests = "least_requests"
	roundRobin    = "round_robin"
)

// Defaults are the values of the keys left out.
func Defaults() Config {
	return Config{
		Balance: Balance{Method: leastRequests},
		Ejection: Ejection{Failures: 5, Rate: 50, Volume: 20, Window: 10 * time.Second,
			Base: 10 * time.Second, Max: 5 * time.Minute, Keep: 50},
		DNS: DNS{Every: 10 * time.Second},
	}
}

// Check refuses what cannot be done. A kind calls it from its own.
func (c *Config) Check() error {
	return errors.Join(c.Ejection.check(), c.DNS.check())
}

// Check binds the key. Under backends no endpoint is known, so it can name only what every request brings.
func (c *ConsistentHash) Check() error {
	if c.Over <= 0 {
		return sluice.At("over", errors.New("no host can always have the average; want a share such as 25%"))
	}
	return sluice.At("by", c.By.Bind(sluice.Scope{}))
}

func (e *Ejection) check() error {
	var errs []error
	add := func(wrong bool, field, text string) {
		if wrong {
			errs = append(errs, sluice.At("ejection."+field, errors.New(text)))
		}
	}
	add(e.Rate > 100, "rate", "more than all cannot fail; want a share such as 50%, or 0% to turn it off")
	add(e.Keep > 100, "keep", "more than all cannot be kept; want a share such as 50%")
	add(e.Window < 100*time.Millisecond, "window", "too short to count in; want 100ms or more")
	add(e.Base <= 0, "base", "want a duration such as 10s; failures: 0 and rate: 0% turn ejection off")
	add(e.Max < e.Base, "max", fmt.Sprintf("shorter than base, which is %s; want it as long or longer", e.Base))
	return errors.Join(errs...)
}

// Check refuses checks that find out nothing.
func (h *Checks) Check() error {
	var errs []error
	if h.Every < 10*time.Millisecond {
		errs = append(errs, sluice.At("every", errors.New("too often; want a duration such as 5s")))
	}
	if h.Timeout <= 0 {
		errs = append(errs, sluice.At("timeout", errors.New("a timeout of nothing lets no check pass; want a duration such as 1s")))
	}
	return errors.Join(errs...)
}

func (d *DNS) check() error {
	var errs []error
	if d.Every < 10*time.Millisecond {
		errs = append(errs, sluice.At("dns.every", errors.New("too often; want a duration such as 10s")))
	}
	if d.Server != "" {
		if host, port, err := net.SplitHostPort(d.Server); err != nil || host == "" || port == "" {
			errs = append(errs, sluice.At("dns.server", fmt.Errorf("%q is not host and port; want them such as 10.0.0.53:53", d.Server)))
		}
	}
	return errors.Join(errs...)
}
