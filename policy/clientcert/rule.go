package clientcert

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// rules say who is let in; empty ones let in whoever has a name.
type rules struct {
	spiffe   []spiffeRule
	dns      []dnsRule
	subjects []name
}

func makeRules(c *Config) (r rules, err error) {
	for _, text := range c.SPIFFE {
		rule, err := parseSPIFFERule(text)
		if err != nil {
			return r, err
		}
		r.spiffe = append(r.spiffe, rule)
	}
	for _, text := range c.DNS {
		rule, err := parseDNSRule(text)
		if err != nil {
			return r, err
		}
		r.dns = append(r.dns, rule)
	}
	for _, text := range c.Subjects {
		n, err := parseName(text)
		if err != nil {
			return r, err
		}
		r.subjects = append(r.subjects, n)
	}
	return r, nil
}

func (r *rules) empty() bool { return len(r.spiffe)+len(r.dns)+len(r.subjects) == 0 }

// spiffeRule is one SPIFFE ID, or all below a path.
type spiffeRule struct {
	domain spiffeid.TrustDomain
	path   string // with a slash at its end when below is set
	below  bool
}

func parseSPIFFERule(text string) (rule spiffeRule, err error) {
	exact, below := strings.CutSuffix(text, "/*")
	id, err := spiffeid.FromString(exact)
	switch {
	case err != nil && strings.HasSuffix(text, "/"):
		return rule, fmt.Errorf("%q is no SPIFFE ID; want %s* for all below it", text, text)
	case err != nil:
		return rule, fmt.Errorf("%q is no SPIFFE ID (%w); want one such as spiffe://example.org/ns/orders", text, err)
	case id.Path() == "" && !below:
		return rule, fmt.Errorf("%q is a trust domain and nobody's ID; want %s/* for all of it", text, text)
	}
	rule = spiffeRule{domain: id.TrustDomain(), path: id.Path(), below: below}
	if below {
		rule.path += "/"
	}
	return rule, nil
}

func (r spiffeRule) fits(id spiffeid.ID) bool {
	if id.TrustDomain() != r.domain {
		return false
	}
	if r.below {
		return strings.HasPrefix(id.Path(), r.path)
	}
	return id.Path() == r.path
}

// dnsRule is one DNS name in lower case, or those with one label before it.
type dnsRule struct {
	name string
	wild bool // those of one label more
}

func parseDNSRule(text string) (dnsRule, error) {
	name, wild := strings.CutPrefix(text, "*.")
	name = strings.ToLower(name)
	if !validDNS(name) {
		return dnsRule{}, fmt.Errorf("%q is no DNS name; want one such as api.example.org or *.example.org", text)
	}
	return dnsRule{name, wild}, nil
}

func (r dnsRule) fits(name string) bool {
	if r.wild {
		_, name, _ = strings.Cut(name, ".")
	}
	return name == r.name
}

// validDNS tells whether a text in lower case is the DNS name of one host: certificates may hold any text in its
// place, such as that of an ID or a subject, and patterns.
func validDNS(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// spiffeID is the SPIFFE ID of a certificate: that of its one URI. A certificate that may sign others is nobody's
// (X509-SVID, section 4).
func spiffeID(cert *x509.Certificate) (id spiffeid.ID, found bool) {
	if len(cert.URIs) != 1 || cert.IsCA || cert.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0 {
		return id, false
	}
	id, err := spiffeid.FromURI(cert.URIs[0])
	return id, err == nil && id.Path() != ""
}

// subject is a name with the one that vouches for it.
type subject struct{ name, issuer string }

var errNoName = errors.New("the certificate has neither a SPIFFE ID nor a DNS name nor a subject")

// subjectOf is the name by which a certificate with that SPIFFE ID is let in.
func (r *rules) subjectOf(id spiffeid.ID) (who subject, found bool) {
	return subject{id.String(), id.TrustDomain().IDString()}, r.empty() || fitsAny(r.spiffe, id)
}

// namedIn is the name by which a certificate is let in without a SPIFFE ID.
func (r *rules) namedIn(cert *x509.Certificate) (who subject, err error) {
	own, err := nameOf(cert.RawSubject)
	if err != nil {
		return who, fmt.Errorf("its subject: %w", err)
	}
	issuer, err := nameOf(cert.RawIssuer)
	if err != nil {
		return who, fmt.Errorf("its issuer: %w", err)
	}
	who.issuer = strings.ReplaceAll(issuer.String(), " ", `\20`)
	all := r.empty()
	for _, text := range cert.DNSNames {
		if who.name = strings.ToLower(text); validDNS(who.name) && (all || fitsAny(r.dns, who.name)) {
			return who, nil
		}
	}
	who.name = own.String()
	if all && len(own) > 0 || slices.ContainsFunc(r.subjects, own.equal) {
		return who, nil
	}
	if all {
		return subject{}, errNoName
	}
	return subject{}, errors.New("no rule fits")
}

func fitsAny[R interface{ fits(T) bool }, T any](rules []R, v T) bool {
	for _, r := range rules {
		if r.fits(v) {
			return true
		}
	}
	return false
}
