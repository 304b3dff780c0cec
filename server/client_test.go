package server_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/server"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// peerHandler answers with the name of the client's certificate, and how many came with it.
var peerHandler = sluice.HandlerFunc(func(x *sluice.Exchange) error {
	x.Response.Header.Add("X-Peer", "none")
	if p := x.Request.Peer; p != nil {
		x.Response.Header.Set("X-Peer", p.Subject.CommonName+strings.Repeat("+", len(x.Request.PeerChain)))
	}
	return nil
})

// secured is a server that asks its clients for certificates of an authority, whose file the test can change.
type secured struct {
	*server.Server
	by       *servers.Authority // of its own certificate
	clientCA string
	own      server.Certificate
}

func serveSecured(t *testing.T, clients *servers.Authority, optional bool) *secured {
	t.Helper()
	a, dir := servers.NewAuthority(t, "servers"), t.TempDir()
	own := a.Issue(servers.Leaf{})
	s := &secured{by: a, clientCA: dir + "/ca.pem", own: server.Certificate{Cert: dir + "/own.pem", Key: dir + "/own.key"}}
	replace(t, s.clientCA, clients.CertPEM)
	replace(t, s.own.Cert, own.CertPEM)
	replace(t, s.own.Key, own.KeyPEM)
	s.Server = serve(t, server.Config{Limits: limits, HTTPS: &server.TLS{Address: "127.0.0.1:0", MinVersion: "1.2", ClientCA: s.clientCA,
		ClientOptional: optional, Certificates: []server.Certificate{s.own}}}, peerHandler)
	return s
}

// replace puts a file in the place of another.
func replace(t testing.TB, file string, text []byte) {
	t.Helper()
	if err := errors.Join(os.WriteFile(file+".new", text, 0o600), os.Rename(file+".new", file)); err != nil {
		t.Fatal(err)
	}
}

// client is the config of a client with a certificate, or none, that speaks one version of TLS.
func (s *secured) client(version uint16, c *servers.Certificate) *tls.Config {
	config := &tls.Config{RootCAs: s.by.Pool(), ServerName: "localhost", MinVersion: version, MaxVersion: version}
	if c != nil {
		// Shown whatever authorities the server names: it is the server that must turn it away.
		shown := c.TLS()
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
	}
	return config
}

// ask sends a request on a new connection: what came of it, and whether a session was resumed.
func (s *secured) ask(config *tls.Config) (peer string, resumed bool, err error) {
	raw, err := net.Dial("tcp", s.Addrs().HTTPS.String())
	if err != nil {
		return "", false, err
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(20 * time.Second))
	c := tls.Client(raw, config)
	if _, err := io.WriteString(c, get); err != nil {
		return "", false, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", false, err
	}
	io.Copy(io.Discard, answer.Body)
	return answer.Header.Get("X-Peer"), c.ConnectionState().DidResume, nil
}

var versions = map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}

func TestWhichClientsAreLetIn(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t, "clients")
	between := a.Intermediate("between")
	now := time.Now()
	withoutChain := *between.Issue(servers.Leaf{CommonName: "short", Client: true})
	withoutChain.CertPEM = withoutChain.CertPEM[:strings.Index(string(withoutChain.CertPEM), "-----END")+len("-----END CERTIFICATE-----\n")]
	shown := map[string]struct {
		cert                *servers.Certificate
		required, permitted string // the peer that is seen; "" for one that is turned away
	}{
		"none":               {nil, "", "none"},
		"good":               {a.Issue(servers.Leaf{CommonName: "x", Client: true}), "x", "x"},
		"of one below":       {between.Issue(servers.Leaf{CommonName: "x", Client: true}), "x+", "x+"},
		"without its chain":  {&withoutChain, "", ""},
		"of another":         {servers.NewAuthority(t, "clients").Issue(servers.Leaf{CommonName: "x", Client: true}), "", ""},
		"expired":            {a.Issue(servers.Leaf{CommonName: "x", NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour), Client: true}), "", ""},
		"not valid yet":      {a.Issue(servers.Leaf{CommonName: "x", NotBefore: now.Add(time.Hour), Client: true}), "", ""},
		"a server's":         {a.Issue(servers.Leaf{CommonName: "x", Server: true}), "", ""},
		"signed by a client": {forged(t, a), "", ""},
	}
	required, optional := serveSecured(t, a, false), serveSecured(t, a, true)
	for name, version := range versions {
		for what, c := range shown {
			for s, want := range map[*secured]string{required: c.required, optional: c.permitted} {
				if peer, _, err := s.ask(s.client(version, c.cert)); peer != want || (err == nil) != (want != "") {
					t.Errorf("%s, certificate %s, optional %v: peer %q, %v; want %q", name, what, s == optional, peer, err, want)
				}
			}
		}
	}
}

// forged is a certificate that the holder of one for clients has signed.
func forged(t *testing.T, a *servers.Authority) *servers.Certificate {
	t.Helper()
	signer := a.Issue(servers.Leaf{CommonName: "signer", Client: true})
	forger := servers.NewAuthority(t, "signer")
	forger.Leaf, forger.Key = signer.Leaf, signer.Key
	c := forger.Issue(servers.Leaf{CommonName: "x", Client: true})
	c.CertPEM = append(c.CertPEM, signer.CertPEM...)
	return c
}

func TestPeerOverHTTP2(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t, "clients")
	s := serveSecured(t, a, true)
	for want, cert := range map[string]*servers.Certificate{"none": nil, "x": a.Issue(servers.Leaf{CommonName: "x", Client: true})} {
		transport := &http.Transport{TLSClientConfig: s.client(tls.VersionTLS13, cert), ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		for range 3 {
			r, err := http.NewRequest("GET", "https://"+s.Addrs().HTTPS.String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if got := answer.Header.Get("X-Peer"); answer.ProtoMajor != 2 || got != want {
				t.Errorf("%s: peer %q, want %q", answer.Proto, got, want)
			}
		}
	}
}

// A client that has shown a certificate resumes its session only while its authority counts.
func TestResumedSessionsAfterAChange(t *testing.T) {
	t.Parallel()
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := servers.NewAuthority(t, "clients"), servers.NewAuthority(t, "clients")
			s := serveSecured(t, a, true)
			old := s.client(version, a.Issue(servers.Leaf{CommonName: "old", Client: true}))
			old.ClientSessionCache = tls.NewLRUClientSessionCache(0)
			stranger := s.client(version, nil)
			stranger.ClientSessionCache = tls.NewLRUClientSessionCache(0)
			for i := range 3 {
				if peer, resumed, err := s.ask(old); peer != "old" || resumed != (i > 0) {
					t.Fatalf("connection %d: peer %q, resumed %v, %v", i, peer, resumed, err)
				}
				if peer, _, err := s.ask(stranger); peer != "none" {
					t.Fatalf("connection %d: peer %q, %v", i, peer, err)
				}
			}
			fresh := s.client(version, b.Issue(servers.Leaf{CommonName: "new", Client: true}))
			replace(t, s.clientCA, append(a.CertPEM[:len(a.CertPEM):len(a.CertPEM)], b.CertPEM...))
			s.await(t, fresh, "new")
			if peer, resumed, err := s.ask(old); peer != "old" || !resumed {
				t.Errorf("while its authority stays: peer %q, resumed %v, %v", peer, resumed, err)
			}
			replace(t, s.clientCA, b.CertPEM)
			s.await(t, s.client(version, a.Issue(servers.Leaf{CommonName: "old", Client: true})), "")
			if peer, resumed, err := s.ask(old); err == nil {
				t.Errorf("peer %q after its authority is gone, resumed %v", peer, resumed)
			}
			if peer, resumed, err := s.ask(stranger); peer != "none" || !resumed {
				t.Errorf("without a certificate: peer %q, resumed %v, %v", peer, resumed, err)
			}
		})
	}
}

// await asks until the peer is seen as it must be.
func (s *secured) await(t *testing.T, config *tls.Config, want string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; <-time.After(10 * time.Millisecond) {
		peer, _, err := s.ask(config)
		if peer == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("peer %q, %v; want %q", peer, err, want)
		}
	}
}

// Certificates and authorities change while clients ask, on kept connections and on new ones: none sees it.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	a, b := servers.NewAuthority(t, "clients"), servers.NewAuthority(t, "clients")
	s := serveSecured(t, a, false)
	config := s.client(tls.VersionTLS13, a.Issue(servers.Leaf{CommonName: "x", Client: true}))
	config.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	kept := tls.Client(dial(t, s.Addrs().HTTPS.String()), config)
	var asked atomic.Int64
	var over atomic.Bool
	var running sync.WaitGroup
	running.Go(func() {
		for !over.Load() {
			if peer, _, err := s.ask(config); peer != "x" {
				t.Errorf("a new connection: peer %q, %v", peer, err)
				return
			}
			asked.Add(1)
		}
	})
	running.Go(func() {
		r := newReader(kept)
		for !over.Load() {
			io.WriteString(kept, get)
			answer, err := http.ReadResponse(r, nil)
			if err != nil || answer.Header.Get("X-Peer") != "x" {
				t.Errorf("the kept connection: %v, %v", answer, err)
				return
			}
			io.Copy(io.Discard, answer.Body)
		}
	})
	both := append(a.CertPEM[:len(a.CertPEM):len(a.CertPEM)], b.CertPEM...)
	for i := range 2 {
		own := s.by.Issue(servers.Leaf{CommonName: "own"})
		replace(t, s.own.Cert, own.CertPEM) // which does not fit its key until the next line
		replace(t, s.own.Key, own.KeyPEM)
		fresh := s.client(tls.VersionTLS13, b.Issue(servers.Leaf{CommonName: "y", Client: true}))
		if i == 0 {
			replace(t, s.clientCA, both)
			s.await(t, fresh, "y")
		} else {
			replace(t, s.clientCA, a.CertPEM)
			s.await(t, fresh, "")
		}
	}
	over.Store(true)
	running.Wait()
	if asked.Load() == 0 {
		t.Error("nobody asked")
	}
}
