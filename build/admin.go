package build

import (
	"errors"
	"net"
	"net/netip"

	"github.com/sluiceapi/sluice"
)

// checkAdmin refuses an admin listener that others can reach and that nothing guards.
func (m *maker) checkAdmin() {
	a := m.file.Listen.Admin
	if a == nil || len(a.Policies) > 0 || !public(a.Address) {
		return
	}
	m.doc.Fault("listen.admin", errors.New("others than this machine can reach this address, and nothing guards metrics and profiles there; want policies, or an address such as 127.0.0.1:9901"))
}

// public tells whether others than this machine may reach an address to listen on. A name other than localhost counts
// as public, since only a resolver knows.
func public(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "localhost" {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err != nil || !ip.Unmap().IsLoopback()
}

// Admin is a Handler that serves the admin listener with the policies of the node of the moment.
func (s *Switch) Admin() sluice.Handler {
	return sluice.HandlerFunc(func(x *sluice.Exchange) error {
		n := s.hold(x)
		if n == nil {
			return errNoNode
		}
		return n.admin.Serve(x)
	})
}
