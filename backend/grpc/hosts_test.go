package grpc_test

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// nodeOf is a node before several servers.
func nodeOf(t *testing.T, where string, servers ...*echo) sluice.Handler {
	t.Helper()
	var addresses []string
	for _, e := range servers {
		addresses = append(addresses, e.address)
	}
	return sluicetest.Node(t, "sluice: 1\nbackends:\n  echo:\n    grpc:\n      target: "+strings.Join(addresses, ",")+"\n      protos: "+protos(t)+"\n"+where+echoItem, kind())
}

// served asks n times, and tells how often each server has answered; failed requests are "".
func served(t *testing.T, n sluice.Handler, times int) map[string]int {
	t.Helper()
	by := map[string]int{}
	for range times {
		a := ask(t, n, "GET /items/7")
		if a.Status != 200 {
			t.Logf("%d %v", a.Status, a.Err)
			by[""]++
			continue
		}
		by[a.Header["served-by"]]++
	}
	return by
}

func three(t *testing.T) []*echo {
	var all []*echo
	for _, name := range []string{"a", "b", "c"} {
		all = append(all, serveEcho(t, serveOptions{name: name}))
	}
	return all
}

// Calls go round robin over the hosts, and past one that has gone: no request fails.
func TestHosts(t *testing.T) {
	t.Parallel()
	all := three(t)
	n := nodeOf(t, "      balance: round_robin", all...)
	if by := served(t, n, 30); by["a"] != 10 || by["b"] != 10 || by["c"] != 10 {
		t.Errorf("of 30 calls %v", by)
	}
	all[0].leave()
	if by := served(t, n, 30); by["b"]+by["c"] != 30 {
		t.Errorf("one has gone: %v", by)
	}
	all[1].stop()
	all[2].stop()
	for end := time.Now().Add(30 * time.Second); ; { // until it is seen that the connections have gone too
		a := ask(t, n, "GET /items/7")
		if a.Status == 502 && strings.Contains(a.Err.Error(), "takes no connection") {
			return
		}
		if a.Status != 502 || time.Now().After(end) {
			t.Fatalf("all have gone: %d %v", a.Status, a.Err)
		}
	}
}

// A host that says by its health that it is not well gets no calls, until it is well again.
func TestHealth(t *testing.T) {
	t.Parallel()
	all := three(t)
	n := nodeOf(t, "      balance: round_robin\n      health: {service: echo.v1.EchoService, every: 20ms, fail: 1}", all...)
	const well, ill = grpc_health_v1.HealthCheckResponse_SERVING, grpc_health_v1.HealthCheckResponse_NOT_SERVING
	for _, e := range all {
		e.health.SetServingStatus("echo.v1.EchoService", well)
	}
	until := func(what string, is func(by map[string]int) bool) {
		t.Helper()
		for end := time.Now().Add(60 * time.Second); ; {
			by := served(t, n, 6)
			if by[""] > 0 {
				t.Fatalf("%s: %v", what, by)
			}
			if is(by) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %v", what, by)
			}
		}
	}
	evenly := func(by map[string]int) bool { return by["a"] == 2 && by["b"] == 2 && by["c"] == 2 }
	until("all are well", evenly)
	all[1].health.SetServingStatus("echo.v1.EchoService", ill)
	until("one is ill", func(by map[string]int) bool { return by["b"] == 0 })
	all[1].health.SetServingStatus("echo.v1.EchoService", well)
	until("it is well again", evenly)
}

// A backend that is closed leaves no connection, and one whose certificate has changed goes on with others.
func TestConnections(t *testing.T) {
	t.Parallel()
	await := func(e *echo, what string, is func(n int64) bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !is(e.conns.Load()); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %d connections", what, e.conns.Load())
			}
		}
	}
	ours := servers.NewAuthority(t, "ours")
	own := ours.Issue(servers.Leaf{CommonName: "service", IPs: []string{"127.0.0.1"}, Server: true})
	e := serveEcho(t, serveOptions{name: "a", tls: credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{own.TLS()}})})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write := func(a *servers.Authority) {
		t.Helper()
		text, err := os.ReadFile(a.CertFile)
		if err == nil {
			err = os.WriteFile(ca, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(ours)
	node := nodeOf(t, "      tls: {ca: "+ca+"}", e)
	if by := served(t, node, 3); by["a"] != 3 {
		t.Fatal(by)
	}
	await(e, "in use", func(n int64) bool { return n == 1 })
	write(servers.NewAuthority(t, "others"))
	await(e, "nobody is trusted any more", func(n int64) bool { return n == 0 })
	if a := ask(t, node, "GET /items/7"); a.Status != 502 {
		t.Errorf("an authority that is not trusted: %d", a.Status)
	}
	write(ours)
	for end := time.Now().Add(30 * time.Second); served(t, node, 1)["a"] == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the authority is not trusted again")
		}
	}
	node.(*build.Node).Retire()
	await(e, "closed", func(n int64) bool { return n == 0 })
}

// localhost is a name, whose addresses are hosts.
func TestName(t *testing.T) {
	t.Parallel()
	e := serveEcho(t, serveOptions{name: "a"})
	_, port, _ := net.SplitHostPort(e.address)
	for _, target := range []string{"localhost:" + port, "dns:///localhost:" + port, "dns:localhost:" + port} {
		n := sluicetest.Node(t, "sluice: 1\nbackends: {echo: {grpc: {target: \""+target+"\", protos: "+protos(t)+"}}}\n"+echoItem, kind())
		if by := served(t, n, 3); by["a"] != 3 {
			t.Errorf("%s: %v", target, by)
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	ours, others := servers.NewAuthority(t, "ours"), servers.NewAuthority(t, "others")
	own := ours.Issue(servers.Leaf{CommonName: "service", DNS: []string{"service.internal"}, IPs: []string{"127.0.0.1"}, Server: true})
	shown, strange := ours.Issue(servers.Leaf{CommonName: "node", Client: true}), others.Issue(servers.Leaf{CommonName: "node", Client: true})
	open := serveEcho(t, serveOptions{tls: credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{own.TLS()}})})
	mutual := serveEcho(t, serveOptions{tls: credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{own.TLS()},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.Pool()})})
	for _, c := range []struct {
		name string
		e    *echo
		tls  string
		want int
	}{
		{"an authority", open, "{ca: " + ours.CertFile + "}", 200},
		{"the authority of somebody else", open, "{ca: " + others.CertFile + "}", 502},
		{"the system's authorities", open, "{}", 502},
		{"a name", open, "{ca: " + ours.CertFile + ", server_name: service.internal}", 200},
		{"another name", open, "{ca: " + ours.CertFile + ", server_name: other.internal}", 502},
		{"a certificate", mutual, "{ca: " + ours.CertFile + ", cert: " + shown.CertFile + ", key: " + shown.KeyFile + "}", 200},
		{"no certificate", mutual, "{ca: " + ours.CertFile + "}", 502},
		{"a stranger's certificate", mutual, "{ca: " + ours.CertFile + ", cert: " + strange.CertFile + ", key: " + strange.KeyFile + "}", 502},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if a := ask(t, nodeOf(t, "      tls: "+c.tls, c.e), "GET /items/7"); a.Status != c.want {
				t.Errorf("%d %v, want %d", a.Status, a.Err, c.want)
			}
		})
	}
	plain := serveEcho(t, serveOptions{})
	if a := ask(t, nodeOf(t, "      tls: {ca: "+ours.CertFile+"}", plain), "GET /items/7"); a.Status != 502 {
		t.Errorf("a service without TLS: %d %v", a.Status, a.Err)
	}
	if a := ask(t, nodeOf(t, "", open), "GET /items/7"); a.Status != 502 {
		t.Errorf("a service with TLS, asked without: %d %v", a.Status, a.Err)
	}
}

// What is no server of gRPC gives no usable answer, and one that does not answer is too late.
func TestNoService(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	n := sluicetest.Node(t, "sluice: 1\nbackends: {echo: {grpc: {target: \""+l.Addr().String()+"\", protos: "+protos(t)+", timeouts: {whole: 200ms}}}}\n"+echoItem, kind())
	if a := ask(t, n, "GET /items/7"); a.Status != 504 {
		t.Errorf("nobody answers: %d %v", a.Status, a.Err)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	backends := "sluice: 1\nbackends:\n  echo:\n    grpc:\n      target: 127.0.0.1:1\n"
	good := backends + "      protos: " + protos(t) + "\nendpoints:\n  e:\n    route: "
	for _, c := range []struct{ name, text, want string }{
		{"no port", "sluice: 1\nbackends: {echo: {grpc: {target: users}}}\nendpoints: {}", `"users" is not host and port`},
		{"a scheme", "sluice: 1\nbackends: {echo: {grpc: {target: \"https://users:1\"}}}\nendpoints: {}", "https is no scheme of a target"},
		{"half a pair", backends + "      tls: {cert: a}\nendpoints: {}", "cert and key come together"},
		{"two sources", backends + "      protos: a.proto\n      reflection: true\nendpoints: {}", "want one of the two"},
		{"no methods", backends + "endpoints: {e: {route: GET /, grpc: {method: a.B/C}}}", "the backend does not declare it"},
		{"no method", good + "GET /\n    grpc: {}", "it is not told what to call"},
		{"another method", good + "GET /\n    grpc: {method: echo.v1.EchoService/Eco}", "did you mean echo.v1.EchoService/Echo?"},
		{"a stream of requests", good + "GET /\n    grpc: {method: echo.v1.EchoService/Sum}", "takes a stream of messages"},
		{"another field", good + "GET /\n    grpc: {method: echo.v1.EchoService/Echo, message: {tex: a}}", "did you mean text?"},
		{"a constant that does not fit", good + "GET /\n    grpc: {method: echo.v1.EchoService/Echo, message: {i64: a}}", "want an integer of 64 bits"},
		{"a parameter that is no field", good + "GET /{none}\n    grpc: {method: echo.v1.EchoService/Echo}", "{none} of the path has no place in the message"},
		{"a message without a method", good + "GET /\n    grpc: {message: {text: a}}", "there is no method for it"},
		{"metadata of gRPC", good + "GET /\n    grpc: {method: echo.v1.EchoService/Echo, metadata: {grpc-timeout: a}}", "is set by gRPC itself"},
		{"a method where all pass", good + "grpc echo.v1.EchoService/*\n    grpc: {method: echo.v1.EchoService/Echo}", "want no method"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := mistakes(t, c.text); !slices.ContainsFunc(got, func(m string) bool { return strings.Contains(m, c.want) }) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// mistakes are what is wrong with a config, one text each.
func mistakes(t *testing.T, text string) []string {
	t.Helper()
	doc := sluicetest.Document(t, text)
	node, err := build.Make(doc, build.Options{Kinds: []sluice.Kind{kind()}}, nil)
	if err == nil {
		node.Retire()
		return nil
	}
	return strings.Split(err.Error(), "\n")
}
