// Package ipfilter lets requests in by the address of the client.
package ipfilter

import (
	_ "embed"
	"errors"
	"fmt"
	"net/netip"

	"github.com/sluiceapi/sluice"
)

//go:embed ipfilter.go
var source string

// Kind is the policy `ip_filter`.
var Kind = sluice.NewPolicy("ip_filter", Config{}, open, sluice.Manual(source))

// Config lets requests in by the address of the client: the peer of the connection, or what a trusted proxy says of
// it. Everyone else gets 403. What deny names is refused, whatever allow says; then, with allow, only what it names
// is let in. An IPv4 address is matched by IPv4 networks only, also where it comes as IPv6 (::ffff:10.0.0.1).
//
//	every_request:
//	  - ip_filter:
//	      allow: [10.0.0.0/8, 2001:db8::/32]
//	      deny: [10.6.6.6/32]
type Config struct {
	// The networks that are let in. Left out, every address is that deny does not name.
	Allow []netip.Prefix `yaml:"allow"`
	// The networks that are refused.
	Deny []netip.Prefix `yaml:"deny"`
}

// Check refuses a filter that lets everything in, and networks that are none.
func (c *Config) Check() error {
	if len(c.Allow) == 0 && len(c.Deny) == 0 {
		return errors.New("a filter without networks lets everything in; want allow or deny")
	}
	return errors.Join(checkNetworks("allow", c.Allow), checkNetworks("deny", c.Deny))
}

func checkNetworks(field string, networks []netip.Prefix) error {
	var errs []error
	for i, p := range networks {
		if !p.IsValid() {
			errs = append(errs, sluice.At(fmt.Sprintf("%s[%d]", field, i), errors.New("not a network; want one such as 10.0.0.0/8")))
		}
	}
	return errors.Join(errs...)
}

func open(_ *sluice.Env, _ *sluice.Endpoint, c *Config) (sluice.Policy, error) {
	allow, deny := makeSet(c.Allow), makeSet(c.Deny)
	refusal := &sluice.Error{Code: sluice.Forbidden, Message: "requests from this address are not let in"}
	return func(next sluice.Handler) sluice.Handler {
		return &handler{allow: allow, deny: deny, refusal: refusal, next: next}
	}, nil
}

type handler struct {
	// allow is empty when every address is let in that is not denied.
	allow, deny set
	refusal     error
	next        sluice.Handler
}

// Serve refuses an exchange whose client is not known, for nothing can be said of it.
func (h *handler) Serve(x *sluice.Exchange) error {
	client := x.Request.Client.Unmap().WithZone("")
	if !client.IsValid() || h.deny.has(client) || len(h.allow) > 0 && !h.allow.has(client) {
		return h.refusal
	}
	return h.next.Serve(x)
}
