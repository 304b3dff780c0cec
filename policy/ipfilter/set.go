package ipfilter

import (
	"cmp"
	"net/netip"
	"slices"
)

// set is networks in the order of their addresses, none within another: so at most one can hold an address, the
// last that does not start after it.
type set []netip.Prefix

func makeSet(networks []netip.Prefix) set {
	sorted := make([]netip.Prefix, 0, len(networks))
	for _, p := range networks {
		sorted = append(sorted, canonical(p))
	}
	slices.SortFunc(sorted, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	s := set{}
	for _, p := range sorted {
		if len(s) == 0 || !s[len(s)-1].Contains(p.Addr()) {
			s = append(s, p)
		}
	}
	return s
}

// canonical drops the bits of the host, and makes a network of IPv4 addresses that are written as IPv6 one of IPv4.
func canonical(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// has tells whether one of the networks holds the address.
func (s set) has(a netip.Addr) bool {
	low, high := 0, len(s)
	for low < high {
		mid := int(uint(low+high) >> 1)
		if s[mid].Addr().Compare(a) <= 0 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low > 0 && s[low-1].Contains(a)
}
