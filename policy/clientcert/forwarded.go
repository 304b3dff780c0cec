package clientcert

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/sluiceapi/sluice"
)

// The fields in which a proxy passes on the certificate of its client (RFC 9440, section 2).
const (
	certField  = "Client-Cert"
	chainField = "Client-Cert-Chain"
)

// passed is a verdict on what a trusted proxy said, with the fields that it said it in.
type passed struct {
	*verdict
	cert  []byte
	chain [][]byte
}

// says tells whether the fields of a request are those of p.
func (p *passed) says(h *sluice.Header) bool {
	n := 0
	for _, f := range h.Fields() {
		switch {
		case isField(f, certField):
			if !bytes.Equal(f.Value, p.cert) {
				return false
			}
		case isField(f, chainField):
			if n == len(p.chain) || !bytes.Equal(f.Value, p.chain[n]) {
				return false
			}
			n++
		}
	}
	return n == len(p.chain)
}

func isField(f sluice.Field, name string) bool {
	return len(f.Name) == len(name) && sluice.SameToken(f.Name, name)
}

// errTwice comes of a proxy that adds its field to one which its client has sent.
var errTwice = errors.New("Client-Cert comes more than once")

// judgePassed is the verdict on the certificate that a trusted proxy passed on: remembered, or made. It is none
// when the proxy's client has shown none.
func (j *judge) judgePassed(h *sluice.Header, now time.Time) *verdict {
	switch n := h.Count(certField); {
	case n == 0:
		return &none
	case n > 1:
		return j.unreadable(errTwice)
	}
	a := j.current.Load()
	key := a.hash(h)
	if p, known := a.passedOn.GetIfPresent(key); known && p.holds(now) && p.says(h) {
		return p.verdict
	}
	leaf, chain, err := readPassed(h)
	if err != nil {
		return j.unreadable(err)
	}
	v := j.decide(a, leaf, chain, now)
	p := &passed{verdict: v, cert: bytes.Clone(h.Value(certField))}
	for _, f := range h.Fields() {
		if isField(f, chainField) {
			p.chain = append(p.chain, bytes.Clone(f.Value))
		}
	}
	a.passedOn.Set(key, p)
	j.tell(v)
	return v
}

// unreadable is the verdict on what a trusted proxy should not say.
func (j *judge) unreadable(err error) *verdict {
	v := &verdict{reason: unreadable, refusal: forbidden(err)}
	j.tell(v)
	return v
}

func (a *authorities) hash(h *sluice.Header) uint64 {
	var sum maphash.Hash
	sum.SetSeed(a.seed)
	for _, f := range h.Fields() {
		if isField(f, certField) || isField(f, chainField) {
			sum.Write(f.Value)
			sum.WriteByte(',')
		}
	}
	return sum.Sum64()
}

// readPassed reads the certificate and its chain from the fields of a request.
func readPassed(h *sluice.Header) (leaf *x509.Certificate, chain []*x509.Certificate, err error) {
	if leaf, err = readCertificate(h.Value(certField)); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", certField, err)
	}
	for _, f := range h.Fields() {
		if !isField(f, chainField) {
			continue
		}
		for rest, more := f.Value, true; more; {
			var item []byte
			if item, rest, more = bytes.Cut(rest, []byte{','}); len(chain) == longest {
				return nil, nil, fmt.Errorf("%s: more than %d certificates", chainField, longest)
			}
			c, err := readCertificate(item)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", chainField, err)
			}
			chain = append(chain, c)
		}
	}
	return leaf, chain, nil
}

// readCertificate reads a certificate that stands as a byte sequence of structured fields (RFC 9651, section 4.2.7):
// its DER in base64 between colons.
func readCertificate(value []byte) (*x509.Certificate, error) {
	value = bytes.Trim(value, " \t")
	if len(value) < 2 || value[0] != ':' || value[len(value)-1] != ':' {
		return nil, errors.New("want a certificate in base64 between colons")
	}
	value = value[1 : len(value)-1]
	if bytes.ContainsAny(value, "\r\n") { // which the decoder would pass over
		return nil, errors.New("a line ends within it")
	}
	der, err := base64.StdEncoding.Strict().AppendDecode(nil, value)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
