package build

import (
	"errors"

	"github.com/sluiceapi/sluice"
)

// checkPeer refuses a policy that lets in those who show a certificate where nobody is asked for one.
func (m *maker) checkPeer(p *policyPlan) {
	bound, is := p.use.(sluice.PeerBound)
	https := m.file.Listen.HTTPS
	switch {
	case !is || p.broken:
	case bound.PassedOn() && len(m.file.TrustedProxies) == 0:
		m.doc.Fault(p.block.Path, errors.New("no proxy is trusted to pass on certificates; want trusted_proxies"))
	case !bound.PassedOn() && (https == nil || https.ClientCA == ""):
		m.doc.Fault(p.block.Path, errors.New("no client is asked for a certificate, so nobody could be let in; want client_ca under listen.https"))
	}
}

// checkAdminPeer refuses the same around the admin listener, which has no TLS.
func (m *maker) checkAdminPeer() {
	for _, p := range m.admin {
		if bound, is := p.use.(sluice.PeerBound); is && !p.broken && !bound.PassedOn() {
			m.doc.Fault(p.block.Path, errors.New("the admin listener asks no client for a certificate, so nobody could be let in there; want another policy"))
		}
	}
}
