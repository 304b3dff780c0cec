package clientcert

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/internal/pemfile"
)

// list is a list of revoked certificates (RFC 5280, section 5).
type list struct {
	*x509.RevocationList
	serials map[string]bool // in base 16
	// signers holds whether the list is signed with a key, by the hash of the key: hashing a long list takes its time.
	signers sync.Map
}

// revocation is what the files of lists held at one time.
type revocation struct {
	lists map[string][]*list // by the DER of the issuer
	// lax lets in where no current list tells.
	lax bool
}

func makeRevocation(c *Revoked, content pemfile.Content) (*revocation, error) {
	if len(c.Lists) == 0 {
		return nil, nil
	}
	r := &revocation{lists: map[string][]*list{}, lax: c.OnUnavailable == allow}
	for i, file := range c.Lists {
		lists, err := readLists(content[string(file)])
		if err != nil {
			return nil, sluice.At(fmt.Sprintf("revoked.lists[%d]", i), fmt.Errorf("%s: %w", file, err))
		}
		for _, l := range lists {
			r.lists[string(l.RawIssuer)] = append(r.lists[string(l.RawIssuer)], l)
		}
	}
	return r, nil
}

// readLists reads a file that holds one list in DER, or one or several in PEM.
func readLists(text []byte) (lists []*list, err error) {
	const kind = "X509 CRL"
	begun := bytes.Count(text, []byte("-----BEGIN "+kind+"-----"))
	if begun == 0 {
		l, err := readList(text)
		return []*list{l}, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != kind {
			continue
		}
		l, err := readList(block.Bytes)
		if err != nil {
			return nil, err
		}
		lists = append(lists, l)
	}
	if len(lists) < begun {
		return nil, fmt.Errorf("of %d lists only %d can be read; want PEM", begun, len(lists))
	}
	return lists, nil
}

// errPartial is for what changes the meaning of a list: that it holds changes only, or only some certificates, or those
// of other authorities too (RFC 5280, sections 5.2 and 5.3).
var errPartial = errors.New("it is not a whole list of one authority; want one without critical extensions")

func readList(der []byte) (*list, error) {
	parsed, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, err
	}
	l := &list{RevocationList: parsed, serials: make(map[string]bool, len(parsed.RevokedCertificateEntries))}
	for _, e := range parsed.Extensions {
		if e.Critical {
			return nil, errPartial
		}
	}
	for _, entry := range parsed.RevokedCertificateEntries {
		for _, e := range entry.Extensions {
			if e.Critical {
				return nil, errPartial
			}
		}
		l.serials[entry.SerialNumber.Text(16)] = true
	}
	return l, nil
}

func (l *list) signedBy(signer *x509.Certificate) bool {
	key := sha256.Sum256(append(slices.Clone(signer.RawSubjectPublicKeyInfo), byte(signer.KeyUsage>>8), byte(signer.KeyUsage)))
	if known, is := l.signers.Load(key); is {
		return known.(bool)
	}
	signed := l.CheckSignatureFrom(signer) == nil
	l.signers.Store(key, signed)
	return signed
}

// check tells whether a certificate in a chain is revoked, and until when the answer holds.
func (r *revocation) check(chain []*x509.Certificate, now time.Time) (until time.Time, why reason, err error) {
	until = never
	for i := range len(chain) - 1 { // the last is trusted without anyone's word
		cert, current := chain[i], time.Time{}
		for _, l := range r.lists[string(cert.RawIssuer)] {
			if !l.signedBy(chain[i+1]) {
				continue
			}
			if l.serials[cert.SerialNumber.Text(16)] {
				return until, revoked, fmt.Errorf("the certificate %x of %q is revoked", cert.SerialNumber, cert.Issuer)
			}
			if !now.Before(l.ThisUpdate) && l.NextUpdate.After(current) {
				current = l.NextUpdate
			}
		}
		if current.Before(now) {
			if !r.lax {
				return until, unavailable, fmt.Errorf("there is no current list of what %q has revoked", cert.Issuer)
			}
			continue
		}
		if current.Before(until) {
			until = current
		}
	}
	return until, 0, nil
}
