package servers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
)

// Authority issues certificates, ECDSA P-256, for servers and clients of a test.
type Authority struct {
	// Certificate is its own; CertFile can be a ca or client_ca file.
	*Certificate
	// Chain is what servers send after the leaf: itself and those above it, without the root.
	chain  []byte
	owner  Owner
	folder *folder
	pools  *x509.CertPool
}

// Certificate is a certificate with its key, in memory and as files.
type Certificate struct {
	// CertPEM holds the leaf and what stands between it and the root.
	CertPEM, KeyPEM []byte
	// CertFile and KeyFile hold the same.
	CertFile, KeyFile string
	Leaf              *x509.Certificate
	Key               *ecdsa.PrivateKey
}

// Leaf is what a certificate is to say.
type Leaf struct {
	CommonName string
	DNS        []string
	IPs        []string
	URIs       []string
	Emails     []string
	// Unit and Organization are further parts of the subject.
	Unit, Organization string
	// Client and Server say what it is good for; neither means both.
	Client, Server bool
	// NotBefore and NotAfter are an hour ago and in a day when they are left out.
	NotBefore, NotAfter time.Time
}

// NewAuthority makes a root certificate.
func NewAuthority(o Owner, name string) *Authority {
	o.Helper()
	f, err := makeFolder(disk(), nil)
	if err != nil {
		o.Fatalf("authority %s: %v", name, err)
	}
	o.Cleanup(func() { f.remove() })
	a := &Authority{owner: o, folder: f, pools: x509.NewCertPool()}
	a.Certificate = a.sign(authority(name), nil, nil)
	a.pools.AddCert(a.Leaf)
	return a
}

// Intermediate makes an authority below this one. What it issues comes with its certificate.
func (a *Authority) Intermediate(name string) *Authority {
	a.owner.Helper()
	b := &Authority{owner: a.owner, folder: a.folder, pools: a.pools}
	b.Certificate = a.sign(authority(name), a, a.chain)
	b.chain = b.CertPEM
	return b
}

func authority(name string) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature}
}

// Issue makes a certificate. Without a name or an address it is for 127.0.0.1, ::1 and localhost.
func (a *Authority) Issue(l Leaf) *Certificate {
	a.owner.Helper()
	if l.Client == l.Server {
		l.Client, l.Server = true, true
	}
	if l.Server && len(l.DNS)+len(l.IPs) == 0 {
		l.DNS, l.IPs = []string{"localhost"}, []string{"127.0.0.1", "::1"}
	}
	c := &x509.Certificate{Subject: pkix.Name{CommonName: l.CommonName}, DNSNames: l.DNS, EmailAddresses: l.Emails,
		NotBefore: l.NotBefore, NotAfter: l.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true}
	if l.Unit != "" {
		c.Subject.OrganizationalUnit = []string{l.Unit}
	}
	if l.Organization != "" {
		c.Subject.Organization = []string{l.Organization}
	}
	for _, text := range l.IPs {
		ip := net.ParseIP(text)
		if ip == nil {
			a.owner.Fatalf("%q is no IP address", text)
		}
		c.IPAddresses = append(c.IPAddresses, ip)
	}
	for _, text := range l.URIs {
		u, err := url.Parse(text)
		if err != nil {
			a.owner.Fatalf("issuing a certificate: %v", err)
		}
		c.URIs = append(c.URIs, u)
	}
	if l.Client {
		c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	if l.Server {
		c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	return a.sign(c, a, a.chain)
}

// sign completes a certificate, with a key of its own, and has it signed by an authority, or by itself.
func (a *Authority) sign(c *x509.Certificate, by *Authority, chain []byte) *Certificate {
	a.owner.Helper()
	signed, err := a.make(c, by, chain)
	if err != nil {
		a.owner.Fatalf("making the certificate %s: %v", c.Subject.CommonName, err)
	}
	return signed
}

func (a *Authority) make(c *x509.Certificate, by *Authority, chain []byte) (*Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if c.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, err
	}
	if c.NotBefore.IsZero() {
		c.NotBefore = time.Now().Add(-time.Hour)
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(24 * time.Hour)
	}
	parent, parentKey := c, key
	if by != nil {
		parent, parentKey = by.Leaf, by.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	name := a.folder.join(fmt.Sprintf("%x", c.SerialNumber))
	s := &Certificate{Leaf: leaf, Key: key, CertFile: name + ".crt", KeyFile: name + ".key",
		CertPEM: append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), chain...),
		KeyPEM:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})}
	return s, errors.Join(os.WriteFile(s.CertFile, s.CertPEM, 0o600), os.WriteFile(s.KeyFile, s.KeyPEM, 0o600))
}

// TLS is the certificate as Go's TLS takes it.
func (c *Certificate) TLS() tls.Certificate {
	t := tls.Certificate{PrivateKey: c.Key, Leaf: c.Leaf}
	for rest := c.CertPEM; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return t
		}
		t.Certificate = append(t.Certificate, block.Bytes)
	}
}

// Pool holds the root, for RootCAs and ClientCAs.
func (a *Authority) Pool() *x509.CertPool { return a.pools }

// RevocationList makes a list of certificates of this authority that hold no more, in PEM, good for a day, and the file
// that it is in. Lists made later have higher numbers.
func (a *Authority) RevocationList(revoked ...*Certificate) (text []byte, file string) {
	a.owner.Helper()
	now := time.Now()
	list := &x509.RevocationList{Number: big.NewInt(now.UnixNano()), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(24 * time.Hour)}
	for _, c := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: c.Leaf.SerialNumber, RevocationTime: now.Add(-time.Minute)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.Leaf, a.Key)
	if err != nil {
		a.owner.Fatalf("making a revocation list: %v", err)
	}
	text = pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
	file = a.folder.join(strings.ReplaceAll(fmt.Sprintf("%s-%d.crl", a.Leaf.Subject.CommonName, now.UnixNano()), "/", "-"))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		a.owner.Fatalf("writing a revocation list: %v", err)
	}
	return text, file
}
