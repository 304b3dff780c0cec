package clientcert

import (
	"crypto/x509"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/internal/pemfile"
)

// judge decides on certificates under one block. It is shared by all endpoints that have the same.
type judge struct {
	*Config
	rules
	log *slog.Logger
	// current is what the files of authorities held last.
	current atomic.Pointer[authorities]
}

// authorities are those of the files as they were at one time, with what was decided under them: other authorities
// come with another memory.
type authorities struct {
	all     *x509.CertPool // nil where the listener's count
	domains map[spiffeid.TrustDomain]*x509.CertPool
	revoked *revocation // nil where nobody says
	// shown holds verdicts on certificates of connections, passed on those on what trusted proxies said, by its hash.
	// The keys of shown keep their certificates alive, so no other can come to stand at the same address.
	shown    *otter.Cache[*x509.Certificate, *verdict]
	passedOn *otter.Cache[uint64, *passed]
	seed     maphash.Seed
}

// remembered is how many verdicts are kept of each sort. A certificate with its verdict takes some 8 KiB.
const remembered = 4096

// verdict is what was decided on a certificate. It does not change.
type verdict struct {
	caller sluice.Caller
	leaf   *x509.Certificate // of one that is let in
	// refusal is what the client gets, nil for one that is let in; reason is why, for metrics.
	refusal error
	reason  reason
	// from and until is when the verdict holds: while nothing that it rests on has expired.
	from, until time.Time
}

func (v *verdict) holds(now time.Time) bool { return !now.Before(v.from) && !now.After(v.until) }

func openJudge(log *slog.Logger, c *Config) (*judge, *pemfile.Follower, error) {
	j := &judge{Config: c, log: log}
	var err error
	if j.rules, err = makeRules(c); err != nil {
		return nil, nil, err
	}
	files := []string{string(c.CA)}
	for _, d := range c.TrustDomains {
		files = append(files, string(d.CA))
	}
	for _, l := range c.Revoked.Lists {
		files = append(files, string(l))
	}
	follower, err := pemfile.Follow(log, files, j.take)
	return j, follower, err
}

// take makes the authorities of what the files hold.
func (j *judge) take(content pemfile.Content) (err error) {
	a := &authorities{domains: map[spiffeid.TrustDomain]*x509.CertPool{}, seed: maphash.MakeSeed()}
	if j.CA != "" {
		if a.all, err = content.Authorities(string(j.CA)); err != nil {
			return sluice.At("ca", err)
		}
	}
	for i, d := range j.TrustDomains {
		domain, err := spiffeid.TrustDomainFromString(d.Name)
		if err == nil {
			a.domains[domain], err = content.Authorities(string(d.CA))
		}
		if err != nil {
			return sluice.At(fmt.Sprintf("trust_domains[%d]", i), err)
		}
	}
	if a.revoked, err = makeRevocation(&j.Revoked, content); err != nil {
		return err
	}
	// Evictions run where they are found to be due, so that no goroutine outlives its owner.
	here := func(f func()) { f() }
	a.shown = otter.Must(&otter.Options[*x509.Certificate, *verdict]{MaximumSize: remembered, Executor: here})
	a.passedOn = otter.Must(&otter.Options[uint64, *passed]{MaximumSize: remembered, Executor: here})
	j.current.Store(a)
	return nil
}

// judge is the verdict on a certificate of a connection: remembered, or made.
func (j *judge) judge(leaf *x509.Certificate, chain []*x509.Certificate, now time.Time) *verdict {
	a := j.current.Load()
	if v, known := a.shown.GetIfPresent(leaf); known && v.holds(now) {
		return v
	}
	v := j.decide(a, leaf, chain, now)
	a.shown.Set(leaf, v)
	j.tell(v)
	return v
}

// tell logs a refusal: once for a certificate, not for every request.
func (j *judge) tell(v *verdict) {
	if v.refusal != nil {
		j.log.Info("a client certificate is refused", "reason", v.reason.String(), "error", v.refusal)
	}
}

var (
	errExpired = errors.New("the certificate has expired")
	errNotYet  = errors.New("the certificate does not hold yet")
	errDomain  = errors.New("nobody vouches for the trust domain of the certificate")
	errNobody  = errors.New("the certificate has no SPIFFE ID, and only those of trust domains are vouched for")
)

// never is after everything that a certificate can say of time.
var never = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)

// again is when a certificate is looked at again that was refused because one in its chain has expired, or because there
// is no current list: it may be that the one, or a list, does not hold yet, or that another chain does.
const again = time.Minute

// decide verifies a certificate and finds out who it stands for.
func (j *judge) decide(a *authorities, leaf *x509.Certificate, chain []*x509.Certificate, now time.Time) *verdict {
	if now.Before(leaf.NotBefore) {
		return (&verdict{until: leaf.NotBefore.Add(-1)}).refuse(leaf, expired, errNotYet)
	}
	if now.After(leaf.NotAfter) {
		return (&verdict{from: leaf.NotAfter.Add(1), until: never}).refuse(leaf, expired, errExpired)
	}
	v := &verdict{from: leaf.NotBefore, until: leaf.NotAfter}
	id, hasID := spiffeID(leaf)
	roots := a.all
	if len(a.domains) > 0 {
		byDomain := a.domains[id.TrustDomain()]
		switch {
		case hasID && byDomain != nil:
			roots = byDomain
		case roots == nil && hasID:
			return v.refuse(leaf, untrusted, errDomain)
		case roots == nil:
			return v.refuse(leaf, untrusted, errNobody)
		default:
			hasID = false // whoever vouches for the rest must not vouch for the ID
		}
	}
	if roots != nil {
		chains, err := verify(leaf, chain, roots, now)
		if err != nil {
			if invalid, is := errors.AsType[x509.CertificateInvalidError](err); is && invalid.Reason == x509.Expired {
				v.from, v.until = now, now.Add(again)
				return v.refuse(leaf, expired, err)
			}
			return v.refuse(leaf, untrusted, err)
		}
		if why, err := v.choose(a, chains, now); err != nil {
			if why == unavailable {
				v.from, v.until = now, now.Add(again)
			}
			return v.refuse(leaf, why, err)
		}
	}
	return j.name(v, leaf, id, hasID, hasID && len(a.domains) > 0)
}

// name sets who a verified certificate stands for; idOnly is set where only its SPIFFE ID was vouched for.
func (j *judge) name(v *verdict, leaf *x509.Certificate, id spiffeid.ID, hasID, idOnly bool) *verdict {
	var who subject
	found, err := false, errors.New("no rule fits")
	if hasID {
		who, found = j.subjectOf(id)
	}
	if !found && !idOnly {
		if who, err = j.namedIn(leaf); err == nil {
			found = true
		}
	}
	if !found {
		return v.refuse(leaf, unfit, err)
	}
	if j.Issuer != "" {
		who.issuer = j.Issuer
	}
	v.leaf, v.caller = leaf, sluice.Caller{Scheme: kind, Issuer: who.issuer, Subject: who.name, Claims: claims(leaf)}
	return v
}

// refuse makes the verdict one against the certificate. The client is not told why, the log is.
func (v *verdict) refuse(leaf *x509.Certificate, r reason, err error) *verdict {
	v.reason, v.refusal = r, forbidden(fmt.Errorf("certificate with the serial number %x, subject %q, DNS names %q and URIs %q: %w",
		leaf.SerialNumber, leaf.Subject, leaf.DNSNames, leaf.URIs, err))
	return v
}

// longest is how many certificates a chain may have: who shows more wants work to be done.
const longest = 10

// verify finds the chains from a certificate to the roots.
func verify(leaf *x509.Certificate, chain []*x509.Certificate, roots *x509.CertPool, now time.Time) ([][]*x509.Certificate, error) {
	if len(chain) > longest {
		return nil, fmt.Errorf("%d certificates come with it; want at most %d", len(chain), longest)
	}
	between := x509.NewCertPool()
	for _, c := range chain {
		between.AddCert(c)
	}
	return leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

// choose has the verdict hold as long as a chain does in which nothing is revoked: until the first of its certificates
// expires, or a list has a successor. Of several chains it is the one that lasts.
func (v *verdict) choose(a *authorities, chains [][]*x509.Certificate, now time.Time) (why reason, err error) {
	var last time.Time
	for _, chain := range chains {
		until := v.until
		if a.revoked != nil {
			listed, refused, revokedErr := a.revoked.check(chain, now)
			if revokedErr != nil {
				why, err = refused, revokedErr
				continue
			}
			until = earlier(until, listed)
		}
		for _, c := range chain {
			until = earlier(until, c.NotAfter)
		}
		if until.After(last) {
			last = until
		}
	}
	if last.IsZero() {
		return why, err
	}
	v.until = last
	return 0, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
