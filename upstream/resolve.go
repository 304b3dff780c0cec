package upstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

const (
	// lookTime is what one lookup may take.
	lookTime = 5 * time.Second
	// lookPause is the least time between two lookups of a name.
	lookPause = time.Second
	// maxAddresses is how many hosts there may be of one name.
	maxAddresses = 256
)

// lookSoon brings the next lookup of a target forward.
func (hs *Hosts[L]) lookSoon(target int) {
	select {
	case hs.wake[target] <- struct{}{}:
	default:
	}
}

// lookUp follows the addresses of a target's name until the block is closed.
func (hs *Hosts[L]) lookUp(target int) {
	name, failing := hs.spec.Targets[target].Name, false
	resolver := hs.spec.Config.DNS.resolver()
	every := hs.spec.Config.DNS.Every
	for wait := time.Duration(0); ; {
		if wait > 0 && !hs.await(target, wait) {
			return
		}
		addresses, err := hs.spec.Config.DNS.ask(hs.ctx, resolver, hs.spec.Targets[target])
		if hs.ctx.Err() != nil {
			return
		}
		if err == nil {
			hs.follow(target, addresses)
			wait = jittered(every)
		} else {
			wait = min(every, max(2*wait, lookPause))
		}
		switch {
		case err != nil && !failing:
			hs.log.Warn("the name of an upstream was not looked up; its hosts stay as they are", "name", name, "error", err)
		case err == nil && failing:
			hs.log.Info("the name of an upstream was looked up again", "name", name)
		}
		failing = err != nil
	}
}

// await waits for the next lookup: for a time, or until one is wanted soon. It tells whether there is one.
func (hs *Hosts[L]) await(target int, wait time.Duration) bool {
	pause := time.NewTimer(min(wait, lookPause))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-hs.ctx.Done():
		return false
	}
	rest := time.NewTimer(max(0, wait-lookPause))
	defer rest.Stop()
	select {
	case <-rest.C:
		return true
	case <-hs.wake[target]:
		return true
	case <-hs.ctx.Done():
		return false
	}
}

// jittered is a time within a tenth of d, so that many nodes do not ask at once.
func jittered(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

func (d *DNS) resolver() *net.Resolver {
	if d.Server == "" {
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, d.Server)
	}}
}

var errNoAddress = errors.New("it has no address")

// ask looks a target's name up. The addresses are in order, so that all nodes list the hosts alike.
func (d *DNS) ask(ctx context.Context, r *net.Resolver, t Target) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	found, err := r.LookupNetIP(ctx, "ip", t.Name)
	if err != nil {
		return nil, err
	}
	found = oneFamily(found)
	if len(found) == 0 {
		return nil, errNoAddress
	}
	var addresses []string
	for _, a := range found[:min(len(found), maxAddresses)] {
		addresses = append(addresses, net.JoinHostPort(a.String(), strconv.Itoa(int(t.Port))))
	}
	return addresses, nil
}

// oneFamily are the addresses of the family that comes first, each once and in order. The resolver sorts those first
// that the system can reach best (RFC 6724).
func oneFamily(found []netip.Addr) (same []netip.Addr) {
	for _, a := range found {
		if a = a.Unmap(); a.Is4() == found[0].Unmap().Is4() {
			same = append(same, a)
		}
	}
	slices.SortFunc(same, netip.Addr.Compare)
	return slices.Compact(same)
}
