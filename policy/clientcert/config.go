package clientcert

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sluiceapi/sluice"
)

// Config lets callers in by the certificate that they show. The listener must ask for one, with client_ca under
// listen.https; client_certificates: optional there lets others reach the endpoints that have no such policy. A
// request without a certificate gets 401. One whose certificate has expired, or is not of the authorities, or fits no
// rule, gets 403; which of them it was is told in the log only.
//
// The caller's subject is the first that fits, of: the SPIFFE ID, which a certificate has that holds one URI and no
// more; a DNS name; the whole subject, as RFC 4514 writes it. A common name alone counts for nothing. The caller's
// issuer is the SPIFFE ID's trust domain, such as spiffe://example.org, or the name of the authority that signed the
// certificate, with \20 for a space. References also find caller.claims.subject, issuer, dns, uris, serial (in hex)
// and fingerprint (the x5t#S256 of RFC 8705).
//
// Certificates are verified once for every connection. Whether they have expired is looked at for every request, and
// when a file of authorities changes, all are verified anew.
//
//	endpoints:
//	  list_orders:
//	    route: GET /orders
//	    policies:
//	      - client_cert:
//	          ca: partners.pem
//	          dns: ["*.partners.example.org"]
//	          spiffe: [spiffe://example.org/ns/orders/*]
type Config struct {
	// Certificates of the authorities that vouch for callers here, as a PEM file. Left out, those of the listener do.
	// It is read again when it changes.
	CA sluice.Path `yaml:"ca"`
	// Authorities by SPIFFE trust domain. A certificate with a SPIFFE ID is then verified by those of its trust domain
	// alone, and they vouch for nothing else.
	TrustDomains []TrustDomain `yaml:"trust_domains"`
	// Certificates that are no longer let in, though they have not expired.
	Revoked Revoked `yaml:"revoked"`
	// SPIFFE IDs that are let in, such as spiffe://example.org/ns/orders, or with /* at the end those below a path.
	SPIFFE []string `yaml:"spiffe,one"`
	// DNS names that are let in. *.example.org is any name with one label more.
	DNS []string `yaml:"dns,one"`
	// Subjects that are let in, whole and as RFC 4514 writes them, which is how openssl x509 -noout -subject -nameopt
	// RFC2253 prints them: CN=billing,OU=Services,O=Example. A comma within a value is written \, there.
	Subjects []string `yaml:"subjects,one"`
	// Take the certificate from the fields Client-Cert and Client-Cert-Chain (RFC 9440), where a proxy that is named
	// under trusted_proxies ends TLS. From such a proxy only what is in the fields counts, also for tokens that are bound
	// to a certificate; its own is not the caller's. It needs ca or trust_domains, since the proxy is not asked what it
	// has verified.
	Forwarded bool `yaml:"forwarded"`
	// Who is said to vouch for the caller, instead of the trust domain or the authority's name. It keeps callers the
	// same where authorities change their names.
	Issuer string `yaml:"issuer"`
}

// PassedOn tells whether certificates that trusted proxies pass on are taken.
func (c *Config) PassedOn() bool { return c.Forwarded }

// TrustDomain is a SPIFFE trust domain with its authorities.
type TrustDomain struct {
	// The trust domain, such as example.org.
	Name string `yaml:"name" required:"true"`
	// Certificates of its authorities, as a PEM file.
	CA sluice.Path `yaml:"ca" required:"true"`
}

// Revoked says where it stands which certificates are revoked.
type Revoked struct {
	// Revocation lists (CRL), as PEM or DER files: a current one of every authority in the chain but the
	// last, which is trusted itself. They are read again when they change, and what they name is refused from the next request on, on
	// open connections too. They need ca or trust_domains.
	Lists []sluice.Path `yaml:"lists,one"`
	// What becomes of a certificate when its authority has no list here, or none that is still current: deny or allow.
	OnUnavailable string `yaml:"on_unavailable" enum:"deny,allow"`
}

const (
	deny  = "deny"
	allow = "allow"
)

// Check refuses rules that no certificate can fit, and authorities that vouch for more than they should.
func (c *Config) Check() error {
	var errs []error
	for _, list := range []struct {
		field string
		texts []string
		parse func(string) error
	}{
		{"spiffe", c.SPIFFE, func(text string) error { _, err := parseSPIFFERule(text); return err }},
		{"dns", c.DNS, func(text string) error { _, err := parseDNSRule(text); return err }},
		{"subjects", c.Subjects, func(text string) error { _, err := parseName(text); return err }},
	} {
		for i, text := range list.texts {
			errs = append(errs, sluice.At(fmt.Sprintf("%s[%d]", list.field, i), list.parse(text)))
		}
	}
	if strings.ContainsFunc(c.Issuer, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		errs = append(errs, sluice.At("issuer", errors.New("it holds a space; want a name without, such as a URL")))
	}
	if c.Forwarded && c.CA == "" && len(c.TrustDomains) == 0 {
		errs = append(errs, sluice.At("forwarded", errors.New("nobody here vouches for the certificates that are passed on; want ca or trust_domains")))
	}
	if len(c.Revoked.Lists) > 0 && c.CA == "" && len(c.TrustDomains) == 0 {
		errs = append(errs, sluice.At("revoked.lists", errors.New("the chain to the authority is verified by the listener; want ca or trust_domains, to verify it here")))
	}
	return errors.Join(append(errs, c.checkDomains())...)
}

// checkDomains wants one bundle for each trust domain: an authority of one must not vouch for IDs of another.
func (c *Config) checkDomains() error {
	var errs []error
	domains := map[spiffeid.TrustDomain]bool{}
	for i, d := range c.TrustDomains {
		domain, err := spiffeid.TrustDomainFromString(d.Name)
		if err == nil && domain.Name() != d.Name {
			err = errors.New("want the name alone, such as example.org")
		} else if err == nil && domains[domain] {
			err = errors.New("it is named twice; want one bundle for each trust domain")
		}
		domains[domain] = true
		errs = append(errs, sluice.At(fmt.Sprintf("trust_domains[%d].name", i), err))
	}
	var first spiffeid.TrustDomain
	for i, text := range c.SPIFFE {
		rule, err := parseSPIFFERule(text)
		switch {
		case err != nil:
			continue
		case len(domains) > 0 && !domains[rule.domain]:
			errs = append(errs, sluice.At(fmt.Sprintf("spiffe[%d]", i), fmt.Errorf("nobody vouches for %s; want it under trust_domains", rule.domain.Name())))
		case len(domains) == 0 && i > 0 && rule.domain != first:
			errs = append(errs, sluice.At(fmt.Sprintf("spiffe[%d]", i), errors.New("authorities of one trust domain would vouch for another; want trust_domains, with a bundle for each")))
		case i == 0:
			first = rule.domain
		}
	}
	if len(domains) > 0 && c.CA == "" && len(c.DNS)+len(c.Subjects) > 0 {
		errs = append(errs, sluice.At("trust_domains", errors.New("authorities of trust domains vouch for SPIFFE IDs only; want ca for dns and subjects")))
	}
	return errors.Join(errs...)
}

// key is what tells blocks apart that decide differently.
func (c *Config) key() (string, error) {
	text, err := json.Marshal(c)
	return string(text), err
}
