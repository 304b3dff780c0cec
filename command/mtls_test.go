package command

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// secret is a config that serves https, where some endpoints want a certificate of a client.
func secret(own *servers.Certificate, clients *servers.Authority, dir string) string {
	return fmt.Sprintf(`sluice: 1
listen:
  https:
    address: "127.0.0.1:0"
    certificates:
      - cert: %[1]s
        key: %[2]s
    client_ca: %[3]s
    client_certificates: optional
  admin: "127.0.0.1:0"
trusted_proxies: [127.0.0.2/32]
backends:
  db:
    sql: "sqlite:%[4]s/x.db"
endpoints:
  open:
    route: GET /open
    static: {body: open}
  who:
    route: GET /who
    policies:
      - client_cert: {spiffe: [spiffe://example.org/ns/*], dns: ["*.clients.example.org"]}
    sql:
      backend: db
      query: SELECT $caller.subject AS subject, $caller.issuer AS issuer, $caller.claims.dns.0 AS dns, $caller.claims.fingerprint AS fingerprint
      returns: one
  passed_on:
    route: GET /passed_on
    policies:
      - client_cert: {ca: %[3]s, forwarded: true}
    static: {body: let in}
    respond:
      headers: {x-caller: "{caller}"}
`, own.CertFile, own.KeyFile, clients.CertFile, dir)
}

// asked is what came of a request.
type asked struct {
	status int
	proto  string
	body   string
	header http.Header
}

func askTLS(t *testing.T, url string, config *tls.Config, http2 bool, fields ...string) asked {
	t.Helper()
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{TLSClientConfig: config.Clone(), Protocols: &protocols}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return asked{answer.StatusCode, answer.Proto, string(body), answer.Header}
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	own, clients := servers.NewAuthority(t, "servers"), servers.NewAuthority(t, "Our clients")
	s := serve(t, secret(own.Issue(servers.Leaf{}), clients, t.TempDir()))
	url := "https://" + s.at.HTTPS
	config := func(leaf *servers.Leaf) *tls.Config {
		c := &tls.Config{RootCAs: own.Pool(), ServerName: "localhost"}
		if leaf != nil {
			leaf.Client = true
			c.Certificates = []tls.Certificate{clients.Issue(*leaf).TLS()}
		}
		return c
	}
	dns := config(&servers.Leaf{CommonName: "x", DNS: []string{"a.clients.example.org"}})
	for _, http2 := range []bool{false, true} {
		if a := askTLS(t, url+"/open", config(nil), http2); a.status != 200 || a.body != "open" || (a.proto == "HTTP/2.0") != http2 {
			t.Errorf("nothing needed, nothing shown: %+v", a)
		}
		a := askTLS(t, url+"/who", config(nil), http2)
		if a.status != 401 || a.header.Get("WWW-Authenticate") == "" || !strings.Contains(a.body, "unauthenticated") {
			t.Errorf("nothing shown: %+v", a)
		}
		if a := askTLS(t, url+"/who", config(&servers.Leaf{DNS: []string{"a.example.org"}}), http2); a.status != 403 || strings.Contains(a.body, "rule") {
			t.Errorf("no rule fits: %+v", a)
		}
		var who map[string]string
		if a = askTLS(t, url+"/who", dns, http2); json.Unmarshal([]byte(a.body), &who) != nil || who["subject"] != "a.clients.example.org" ||
			who["issuer"] != `CN=Our\20clients` || who["dns"] != "a.clients.example.org" || len(who["fingerprint"]) != 43 {
			t.Errorf("a DNS name: %+v", a)
		}
		if a = askTLS(t, url+"/who", config(&servers.Leaf{URIs: []string{"spiffe://example.org/ns/x"}}), http2); a.status != 200 ||
			!strings.Contains(a.body, `"subject":"spiffe://example.org/ns/x","issuer":"spiffe://example.org","dns":null`) {
			t.Errorf("a SPIFFE ID: %+v", a)
		}
	}
	s.err.Await(t, "no rule fits", 1)
	if _, body := get(t, "http://"+s.at.Admin+"/metrics"); !strings.Contains(body, `sluice_client_cert_refusals_total{reason="unfit"} 2`) ||
		!strings.Contains(body, `sluice_client_cert_refusals_total{reason="missing"} 2`) {
		t.Errorf("refusals are not counted:\n%s", body)
	}

	// 127.0.0.1 is no trusted proxy, so what it passes on counts for nothing.
	passed := ":" + base64.StdEncoding.EncodeToString(clients.Issue(servers.Leaf{CommonName: "y", Client: true}).Leaf.Raw) + ":"
	if a := askTLS(t, url+"/passed_on", config(nil), false, "Client-Cert", passed); a.status != 401 {
		t.Errorf("passed on by anyone: %+v", a)
	}
	if a := askTLS(t, url+"/passed_on", dns, false, "Client-Cert", passed); a.header.Get("X-Caller") != `CN=Our\20clients a.clients.example.org` {
		t.Errorf("passed on by anyone who shows a certificate: %+v", a)
	}
}

// Without a word on it, a client must show a certificate to be let in at all.
func TestClientCertificatesAreRequired(t *testing.T) {
	t.Parallel()
	own, clients := servers.NewAuthority(t, "servers"), servers.NewAuthority(t, "clients")
	text := secret(own.Issue(servers.Leaf{}), clients, t.TempDir())
	for _, how := range []string{"", "client_certificates: require"} {
		s := serve(t, strings.Replace(text, "client_certificates: optional", how, 1))
		config := &tls.Config{RootCAs: own.Pool(), ServerName: "localhost"}
		stranger := &http.Transport{TLSClientConfig: config.Clone()}
		if answer, err := (&http.Client{Transport: stranger}).Get("https://" + s.at.HTTPS + "/open"); err == nil {
			answer.Body.Close()
			t.Errorf("%q: a stranger gets %s", how, answer.Status)
		}
		config.Certificates = []tls.Certificate{clients.Issue(servers.Leaf{CommonName: "x", Client: true}).TLS()}
		if a := askTLS(t, "https://"+s.at.HTTPS+"/open", config, true); a.status != 200 {
			t.Errorf("%q: %+v", how, a)
		}
	}
}

// One node asks another, with a certificate of its own.
func TestNodeShowsItsCertificate(t *testing.T) {
	t.Parallel()
	own, clients := servers.NewAuthority(t, "servers"), servers.NewAuthority(t, "Our clients")
	behind := serve(t, secret(own.Issue(servers.Leaf{}), clients, t.TempDir()))
	front := func(pair string) *serving {
		return serve(t, fmt.Sprintf(`sluice: 1
listen: {http: "127.0.0.1:0"}
backends:
  behind:
    http:
      urls: ["https://%s"]
      tls: {ca: %s, min_version: "1.3"%s}
endpoints:
  all:
    route: GET /{rest...}
    http: {}
`, behind.at.HTTPS, own.CertFile, pair))
	}
	c := clients.Issue(servers.Leaf{URIs: []string{"spiffe://example.org/ns/front"}, Client: true})
	if status, body := front(", cert: "+c.CertFile+", key: "+c.KeyFile).get(t, "/who"); status != 200 || !strings.Contains(body, `"subject":"spiffe://example.org/ns/front"`) {
		t.Errorf("with a certificate: %d %s", status, body)
	}
	if status, body := front("").get(t, "/who"); status != 401 {
		t.Errorf("without: %d %s", status, body)
	}
	bad := servers.NewAuthority(t, "Our clients").Issue(servers.Leaf{CommonName: "x", Client: true})
	s := front(", cert: " + bad.CertFile + ", key: " + bad.KeyFile)
	if status, body := s.get(t, "/open"); status != 502 || strings.Contains(body, "tls") {
		t.Errorf("with one of another authority: %d %s", status, body)
	}
	s.err.Await(t, "tls: ", 1)
}
