package clientcert

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// listOf makes a list of an authority with further changes.
func listOf(t testing.TB, a *servers.Authority, change func(*x509.RevocationList)) []byte {
	t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour)}
	change(l)
	der, err := x509.CreateRevocationList(rand.Reader, l, a.Leaf, a.Key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func file(t *testing.T, text []byte) sluice.Path {
	t.Helper()
	name := t.TempDir() + "/list"
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return sluice.Path(name)
}

func TestRevoked(t *testing.T) {
	t.Parallel()
	root := servers.NewAuthority(t, "clients")
	below, twin := root.Intermediate("below"), servers.NewAuthority(t, "below")
	issue := func(a *servers.Authority) *servers.Certificate {
		return a.Issue(servers.Leaf{CommonName: "x", Client: true})
	}
	good, bad, deep, deepBad := issue(root), issue(root), issue(below), issue(below)
	pem := func(a *servers.Authority, revoked ...*servers.Certificate) []byte {
		text, _ := a.RevocationList(revoked...)
		return text
	}
	join := func(texts ...[]byte) (all []byte) {
		for _, text := range texts {
			all = append(all, text...)
		}
		return all
	}
	for _, c := range []struct {
		name  string
		lists []byte
		lax   bool
		cert  *servers.Certificate
		want  string // the reason, "" for one that is let in
	}{
		{"good", pem(root, bad), false, good, ""},
		{"revoked", pem(root, issue(root), bad), false, bad, "is revoked"},
		{"revoked, and lax", pem(root, bad), true, bad, "is revoked"},
		{"nobody is revoked", pem(root), false, bad, ""},
		{"in DER", listOf(t, root, func(l *x509.RevocationList) {
			l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: bad.Leaf.SerialNumber, RevocationTime: time.Now()}}
		}), false, bad, "is revoked"},
		{"below: no list of the one below", pem(root), false, deep, "no current list"},
		{"below: no list of the one below, and lax", pem(root), true, deep, ""},
		{"below: no list of the one above", pem(below), false, deep, "no current list"},
		{"below: both lists", join(pem(root), pem(below, deepBad)), false, deep, ""},
		{"below: revoked", join(pem(root), pem(below, deepBad)), false, deepBad, "is revoked"},
		{"the one below is revoked", join(pem(root, below.Certificate), pem(below)), true, deep, "is revoked"},
		{"a list of another authority of the same name", join(pem(root), pem(twin)), false, deep, "no current list"},
		{"that names it", join(pem(root), pem(below), pem(twin, deep)), false, deep, ""},
		{"a list that is not current", listOf(t, root, func(l *x509.RevocationList) { l.NextUpdate = time.Now().Add(-time.Minute) }), false, good, "no current list"},
		{"a list that is not current, and lax", listOf(t, root, func(l *x509.RevocationList) { l.NextUpdate = time.Now().Add(-time.Minute) }), true, good, ""},
		{"a list to come", listOf(t, root, func(l *x509.RevocationList) { l.ThisUpdate = time.Now().Add(time.Minute) }), false, good, "no current list"},
		{"an old list that names it beside a current one", join(pemOf(listOf(t, root, func(l *x509.RevocationList) {
			l.NextUpdate = time.Now().Add(-time.Minute)
			l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: bad.Leaf.SerialNumber, RevocationTime: time.Now()}}
		})), pem(root)), true, bad, "is revoked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := setup(t, func(block *Config) {
				block.CA, block.Revoked.Lists = sluice.Path(root.CertFile), []sluice.Path{file(t, c.lists)}
				if c.lax {
					block.Revoked.OnUnavailable = allow
				}
			})
			for range 2 {
				_, err := d.show(c.cert.Leaf, below.Leaf)
				if (err == nil) != (c.want == "") || err != nil && (codeOf(err) != "forbidden" || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("%v, want %q", err, c.want)
				}
			}
		})
	}
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

// A certificate that was let in is refused when its list has no successor in time, or a changed list names it.
func TestListsOfWhatIsRemembered(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t, "clients")
	cert := a.Issue(servers.Leaf{CommonName: "x", Client: true})
	lists := file(t, pemOf(listOf(t, a, func(*x509.RevocationList) {})))
	open := func() *desk {
		d := setup(t, func(c *Config) { c.CA, c.Revoked.Lists = sluice.Path(a.CertFile), []sluice.Path{lists} })
		if _, err := d.show(cert.Leaf); codeOf(err) != "let in" {
			t.Fatal(err)
		}
		return d
	}
	for after, want := range map[time.Duration]string{59 * time.Minute: "let in", 61 * time.Minute: "forbidden"} {
		d := open()
		d.at = d.at.Add(after)
		if _, err := d.show(cert.Leaf); codeOf(err) != want {
			t.Errorf("after %v: %v, want %s", after, err, want)
		}
	}
	d := open()
	text, _ := a.RevocationList(cert)
	if err := os.WriteFile(string(lists), text, 0o600); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; <-time.After(10 * time.Millisecond) {
		if _, err := d.show(cert.Leaf); codeOf(err) == "forbidden" {
			return
		}
		if time.Now().After(end) {
			t.Fatal("a changed list is not heeded")
		}
	}
}

// An authority whose clock is ahead of ours shuts nobody out for good.
func TestListToCome(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t, "clients")
	cert := a.Issue(servers.Leaf{CommonName: "x", Client: true})
	lists := file(t, listOf(t, a, func(l *x509.RevocationList) { l.ThisUpdate = time.Now().Add(10 * time.Second) }))
	d := setup(t, func(c *Config) { c.CA, c.Revoked.Lists = sluice.Path(a.CertFile), []sluice.Path{lists} })
	for after, want := range []string{"forbidden", "let in"} {
		d.at = d.at.Add(time.Duration(after) * 2 * time.Minute)
		if _, err := d.show(cert.Leaf); codeOf(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestListsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t, "clients")
	whole := pemOf(listOf(t, a, func(*x509.RevocationList) {}))
	critical := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0}}
	for want, text := range map[string][]byte{
		"malformed crl":                     nil,
		"malformed":                         []byte("x"),
		"of 2 lists only 1":                 append(whole[:len(whole):len(whole)], whole[:100]...),
		"not a whole list of one authority": listOf(t, a, func(l *x509.RevocationList) { l.ExtraExtensions = []pkix.Extension{critical} }),
		"one without critical extensions": listOf(t, a, func(l *x509.RevocationList) {
			l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: big.NewInt(1), RevocationTime: time.Now(), ExtraExtensions: []pkix.Extension{critical}}}
		}),
	} {
		block := Config{CA: sluice.Path(a.CertFile), Revoked: Revoked{Lists: []sluice.Path{file(t, text)}}}
		_, err := Kind.OpenPolicy(&sluice.Env{Metrics: sluice.NoMetrics{}}, nil, &block)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "revoked.lists[0]") {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func FuzzLists(f *testing.F) {
	a := servers.NewAuthority(f, "clients")
	der := listOf(f, a, func(*x509.RevocationList) {})
	f.Add(der)
	f.Add(pemOf(der))
	f.Fuzz(func(t *testing.T, text []byte) {
		lists, err := readLists(text)
		if err == nil && len(lists) == 0 {
			t.Error("neither a list nor an error")
		}
		for _, l := range lists {
			if err == nil && len(l.serials) > len(l.RevokedCertificateEntries) {
				t.Errorf("%d serial numbers of %d", len(l.serials), len(l.RevokedCertificateEntries))
			}
		}
	})
}
