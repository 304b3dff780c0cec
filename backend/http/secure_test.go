package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// files are what a backend reads for TLS, which the test can change.
type files struct{ ca, cert, key string }

func makeFiles(t *testing.T, by *servers.Authority, own *servers.Certificate) *files {
	t.Helper()
	dir := t.TempDir()
	f := &files{dir + "/ca.pem", dir + "/own.pem", dir + "/own.key"}
	put(t, f.ca, by.CertPEM)
	f.show(t, own)
	return f
}

func (f *files) show(t *testing.T, own *servers.Certificate) {
	t.Helper()
	put(t, f.cert, own.CertPEM)
	put(t, f.key, own.KeyPEM)
}

func put(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := errors.Join(os.WriteFile(file+".new", text, 0o600), os.Rename(file+".new", file)); err != nil {
		t.Fatal(err)
	}
}

func (f *files) where(w *Where) {
	w.TLS.CA, w.TLS.Cert, w.TLS.Key = sluice.Path(f.ca), sluice.Path(f.cert), sluice.Path(f.key)
}

// await asks until an answer is as it must be.
func (s *service) await(t *testing.T, what string, is func(answer) bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; <-time.After(10 * time.Millisecond) {
		a := s.ask(request(nil, "GET", "/"))
		if is(a) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %+v", what, a)
		}
	}
}

func TestNginxWantsACertificate(t *testing.T) {
	t.Parallel()
	own, clients := servers.NewAuthority(t, "servers"), servers.NewAuthority(t, "clients")
	cert := own.Issue(servers.Leaf{Server: true})
	n := servers.StartNginx(t, fmt.Sprintf(`server {
		listen {address} ssl; ssl_protocols TLSv1.2 TLSv1.3;
		ssl_certificate %s; ssl_certificate_key %s; ssl_client_certificate %s; ssl_verify_client on; ssl_verify_depth 2;
		location / { default_type text/plain; return 200 "$ssl_client_s_dn $ssl_protocol $ssl_session_reused"; }
	}`, cert.CertFile, cert.KeyFile, clients.CertFile))
	url := "https://" + n.Address()
	client := func(a *servers.Authority) *servers.Certificate {
		return a.Issue(servers.Leaf{CommonName: "gateway", Client: true})
	}
	for _, version := range []string{"1.2", "1.3"} {
		between := clients.Intermediate("between")
		for _, good := range []*servers.Certificate{client(clients), client(between)} {
			s := openService(t, []string{url}, makeFiles(t, own, good).where, func(w *Where) { w.TLS.MinVersion = version })
			if a := s.ask(request(nil, "GET", "/")); a.err != nil || !strings.HasPrefix(a.body, "CN=gateway TLSv1.3") {
				t.Errorf("%+v", a)
			}
			if err := s.backend().Ping(context.Background()); err != nil {
				t.Error(err)
			}
		}
	}
	s := openService(t, []string{url}, func(w *Where) { w.TLS.CA = sluice.Path(own.CertFile) })
	if a := s.ask(request(nil, "GET", "/")); a.status != 400 || !strings.Contains(a.body, "No required SSL certificate was sent") {
		t.Errorf("without a certificate: %+v", a)
	}
	s = openService(t, []string{url}, makeFiles(t, own, client(servers.NewAuthority(t, "clients"))).where)
	if a := s.ask(request(nil, "GET", "/")); a.status != 400 || !strings.Contains(a.body, "SSL certificate error") {
		t.Errorf("with one of another authority: %+v", a)
	}
	s = openService(t, []string{url}, makeFiles(t, servers.NewAuthority(t, "servers"), client(clients)).where)
	if a := s.ask(request(nil, "GET", "/")); a.status != 502 {
		t.Errorf("nginx's certificate is of another authority: %+v", a)
	}
	s = openService(t, []string{url}, makeFiles(t, own, client(clients)).where, func(w *Where) { w.TLS.ServerName = "other.example.org" })
	if a := s.ask(request(nil, "GET", "/")); a.status != 502 || !strings.Contains(a.err.Error(), "other.example.org") {
		t.Errorf("nginx's certificate is for another name: %+v", a)
	}
}

// naming answers with the name of the certificate that its client showed and where the client connects from.
func naming(t *testing.T, by, clients *servers.Authority) *httptest.Server {
	t.Helper()
	return namingUpTo(t, tls.VersionTLS13, by, clients)
}

func namingUpTo(t *testing.T, version uint16, by, clients *servers.Authority) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		fmt.Fprintf(w, "%s %s", r.TLS.PeerCertificates[0].Subject.CommonName, r.RemoteAddr)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{by.Issue(servers.Leaf{}).TLS()}, ClientCAs: clients.Pool(), ClientAuth: tls.RequireAndVerifyClientCert,
		MaxVersion: version}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func TestChangedFilesOfTLS(t *testing.T) {
	t.Parallel()
	own, other, clients := servers.NewAuthority(t, "servers"), servers.NewAuthority(t, "servers"), servers.NewAuthority(t, "clients")
	named := func(name string) *servers.Certificate {
		return clients.Issue(servers.Leaf{CommonName: name, Client: true})
	}
	f := makeFiles(t, own, named("first"))
	s := openService(t, []string{naming(t, own, clients).URL}, f.where)
	begins := func(with string) func(answer) bool {
		return func(a answer) bool { return a.err == nil && strings.HasPrefix(a.body, with) }
	}
	first := s.ask(request(nil, "GET", "/"))
	if again := s.ask(request(nil, "GET", "/")); !begins("first ")(first) || again.body != first.body {
		t.Fatalf("%+v, then %+v; want one connection", first, again)
	}
	put(t, f.cert, named("lost").CertPEM) // does not fit its key
	f.show(t, named("second"))
	s.await(t, "the second certificate is not shown", begins("second "))
	f.show(t, named("idle"))
	for end := time.Now().Add(20 * time.Second); idle(s) > 0; <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("an idle connection is kept")
		}
	}
	s.await(t, "the next certificate is not shown", begins("idle "))
	put(t, f.ca, []byte("broken"))
	f.show(t, named("third"))
	if a := s.ask(request(nil, "GET", "/")); !begins("idle ")(a) {
		t.Errorf("%+v while the authorities cannot be read", a)
	}
	put(t, f.ca, append(own.CertPEM[:len(own.CertPEM):len(own.CertPEM)], other.CertPEM...))
	s.await(t, "the third certificate is not shown", begins("third "))
	put(t, f.ca, other.CertPEM)
	s.await(t, "one that is not trusted any more is asked", func(a answer) bool { return a.status == 502 })
	if n := s.link().pool.open.Load(); n != 0 {
		t.Errorf("%d connections to a service that is not trusted any more", n)
	}
}

// A connection that is in use when the files change serves its answer to the end, and nothing after it.
func TestChangeWhileInUse(t *testing.T) {
	t.Parallel()
	own, clients := servers.NewAuthority(t, "servers"), servers.NewAuthority(t, "clients")
	f := makeFiles(t, own, clients.Issue(servers.Leaf{CommonName: "first", Client: true}))
	s := openService(t, []string{naming(t, own, clients).URL}, f.where)
	body, writer := pipe()
	x := request(nil, "POST", "/")
	x.Request.Body.SetStream(body, -1)
	done := make(chan answer, 1)
	go func() { done <- s.ask(x) }()
	writer.Write([]byte("begun"))
	f.show(t, clients.Issue(servers.Leaf{CommonName: "second", Client: true}))
	s.await(t, "the second certificate is not shown", func(a answer) bool { return strings.HasPrefix(a.body, "second ") })
	writer.Close()
	if a := <-done; a.err != nil || !strings.HasPrefix(a.body, "first ") {
		t.Errorf("%+v", a)
	}
	for range 3 {
		if a := s.ask(request(nil, "GET", "/")); !strings.HasPrefix(a.body, "second ") {
			t.Errorf("%+v over a connection of before", a)
		}
	}
}

func TestChangesUnderLoad(t *testing.T) {
	t.Parallel()
	own, clients := servers.NewAuthority(t, "servers"), servers.NewAuthority(t, "clients")
	f := makeFiles(t, own, clients.Issue(servers.Leaf{CommonName: "0", Client: true}))
	s := openService(t, []string{naming(t, own, clients).URL}, f.where)
	var over atomic.Bool
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for !over.Load() {
				if a := s.ask(request(nil, "GET", "/")); a.err != nil {
					t.Errorf("%v", a.err)
					return
				}
			}
		})
	}
	for i := range 2 {
		name := fmt.Sprint(i + 1)
		f.show(t, clients.Issue(servers.Leaf{CommonName: name, Client: true}))
		s.await(t, "the next certificate is not shown", func(a answer) bool { return strings.HasPrefix(a.body, name+" ") })
	}
	over.Store(true)
	running.Wait()
}

// The log says why, once in a while; the client is not told.
func TestWhatFailedIsLogged(t *testing.T) {
	t.Parallel()
	own, clients := servers.NewAuthority(t, "servers"), servers.NewAuthority(t, "clients")
	good := clients.Issue(servers.Leaf{CommonName: "x", Client: true})
	for want, f := range map[string]*files{
		"certificate signed by unknown authority": makeFiles(t, servers.NewAuthority(t, "servers"), good),
		"unknown certificate authority":           makeFiles(t, own, servers.NewAuthority(t, "clients").Issue(servers.Leaf{CommonName: "x", Client: true})),
	} {
		var lines strings.Builder
		var now atomic.Int64
		now.Store(time.Now().UnixNano())
		s := openService(t, []string{naming(t, own, clients).URL}, f.where, func(env *sluice.Env) {
			env.Log = slog.New(slog.NewTextHandler(&lines, nil))
			env.Now = func() time.Time { return time.Unix(0, now.Load()) }
		})
		for i, at := range []time.Duration{0, time.Second, tellEvery - 2*time.Second, time.Second} {
			now.Add(int64(at))
			a := s.ask(request(nil, "GET", "/"))
			if a.status != 502 || strings.Contains(sluice.ErrorOf(a.err).Message, "tls") {
				t.Fatalf("%+v", a)
			}
			if n, most := strings.Count(lines.String(), want), 1+i/3; n != most {
				t.Errorf("%q is logged %d times after request %d, want %d:\n%s", want, n, i+1, most, lines.String())
			}
		}
	}
}

func TestLowestVersion(t *testing.T) {
	t.Parallel()
	own, clients := servers.NewAuthority(t, "servers"), servers.NewAuthority(t, "clients")
	server := namingUpTo(t, tls.VersionTLS12, own, clients)
	f := makeFiles(t, own, clients.Issue(servers.Leaf{CommonName: "x", Client: true}))
	for version, want := range map[string]int{"1.2": 200, "1.3": 502} {
		s := openService(t, []string{server.URL}, f.where, func(w *Where) { w.TLS.MinVersion = version })
		if a := s.ask(request(nil, "GET", "/")); a.status != want {
			t.Errorf("at least TLS %s with one that speaks 1.2 at most: %+v", version, a)
		}
	}
}

func TestTLSIsChecked(t *testing.T) {
	t.Parallel()
	for want, w := range map[string]Where{
		"no address speaks TLS":  {URLs: []string{"http://a"}, TLS: TLS{CA: "a"}},
		"cert and key come":      {URLs: []string{"https://a"}, TLS: TLS{Cert: "a"}},
		"tls: no address speaks": {URLs: []string{"http://a"}, TLS: TLS{ServerName: "a"}},
	} {
		if err := w.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	env := &sluice.Env{Log: slog.New(slog.DiscardHandler), Metrics: sluice.NoMetrics{}, Now: time.Now}
	for want, block := range map[string]TLS{"none.pem": {CA: "none.pem"}, "tls.ca: secure_test.go": {CA: "secure_test.go"},
		"tls.cert: certificate secure_test.go": {Cert: "secure_test.go", Key: "secure_test.go"}} {
		where := Kind.NewWhere().(*Where)
		where.URLs, where.TLS = []string{"https://a"}, block
		if _, err := open(env, where); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
