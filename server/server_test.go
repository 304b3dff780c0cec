package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/server"
	"github.com/sluiceapi/sluice/sluicetest/output"
)

var limits = server.Limits{HeaderTimeout: time.Minute, BodyTimeout: time.Minute, IdleTimeout: time.Minute,
	WholeTimeout: time.Minute, MaxHeader: 64 << 10, MaxBody: 1 << 20, MaxStreams: 100}

var plain = server.Config{HTTP: "127.0.0.1:0", Limits: limits}

var okHandler = sluice.HandlerFunc(func(x *sluice.Exchange) error {
	x.Response.Body.SetBytes([]byte("ok"))
	return nil
})

// dial connects and gives up after a while.
func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// ask sends a GET on a kept connection and returns the answer.
func ask(t testing.TB, c net.Conn) *http.Response {
	t.Helper()
	if _, err := io.WriteString(c, get); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(newReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, answer.Body)
	return answer
}

func TestListenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	a := newAuthority(t)
	good, empty := a.server(t, "a", "a.test"), filepath.Join(a.dir, "empty.pem")
	replace(t, empty, nil)
	for want, c := range map[string]server.Config{
		"address already in use":   {HTTP: taken.Addr().String()},
		"at least one certificate": {HTTPS: &server.TLS{Address: "127.0.0.1:0", MinVersion: "1.2"}},
		"want 1.2 or 1.3": {HTTPS: &server.TLS{Address: "127.0.0.1:0", MinVersion: "1.1",
			Certificates: []server.Certificate{good}}},
		"no such file": {HTTPS: &server.TLS{Address: "127.0.0.1:0", MinVersion: "1.2",
			Certificates: []server.Certificate{{Cert: "none.pem", Key: "none.key"}}}},
		"certificate " + good.Cert: {HTTPS: &server.TLS{Address: "127.0.0.1:0", MinVersion: "1.2",
			Certificates: []server.Certificate{{Cert: good.Cert, Key: empty}}}},
		"no certificate in it": {HTTPS: &server.TLS{Address: "127.0.0.1:0", MinVersion: "1.2", ClientCA: empty,
			Certificates: []server.Certificate{good}}},
	} {
		s, err := server.New(c, okHandler, slog.New(slog.DiscardHandler))
		if err == nil {
			err = s.Listen()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}

func TestBothPorts(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	c := plain
	c.HTTPS = &server.TLS{Address: "127.0.0.1:0", MinVersion: "1.3", Certificates: []server.Certificate{a.server(t, "a", "a.test")}}
	s := serve(t, c, sluice.HandlerFunc(func(x *sluice.Exchange) error {
		x.Response.Header.Add("X-Scheme", x.Request.Scheme)
		return nil
	}))
	if got := ask(t, dial(t, s.Addrs().HTTP.String())).Header.Get("X-Scheme"); got != "http" {
		t.Errorf("scheme %q over http", got)
	}
	config := a.stranger()
	config.ServerName = "a.test"
	secure := tls.Client(dial(t, s.Addrs().HTTPS.String()), config)
	if got := ask(t, secure).Header.Get("X-Scheme"); got != "https" {
		t.Errorf("scheme %q over https", got)
	}
	config.MaxVersion = tls.VersionTLS12
	if tls.Client(dial(t, s.Addrs().HTTPS.String()), config).Handshake() == nil {
		t.Error("TLS 1.2 is spoken below the lowest version")
	}
}

func TestClientCertificateIsRequired(t *testing.T) {
	t.Parallel()
	a, other := newAuthority(t), newAuthority(t)
	s := serve(t, server.Config{Limits: limits, HTTPS: &server.TLS{Address: "127.0.0.1:0", MinVersion: "1.2", ClientCA: a.CertFile,
		Certificates: []server.Certificate{a.server(t, "localhost", "localhost")}}}, okHandler)
	wrong := a.stranger()
	wrong.Certificates = other.client(t).Certificates
	for _, config := range []*tls.Config{a.stranger(), wrong} {
		c := tls.Client(dial(t, s.Addrs().HTTPS.String()), config)
		io.WriteString(c, get)
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("%d bytes for a client that should not be let in", n)
		}
	}
	if answer := ask(t, tls.Client(dial(t, s.Addrs().HTTPS.String()), a.client(t))); answer.StatusCode != 200 {
		t.Errorf("status %d for one that should", answer.StatusCode)
	}
}

func TestCertificateFollowsNameAndFile(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	first, second := a.server(t, "first", "first.test"), a.server(t, "second", "second.test", "*.second.test")
	s := serve(t, server.Config{Limits: limits, HTTPS: &server.TLS{Address: "127.0.0.1:0", MinVersion: "1.2",
		Certificates: []server.Certificate{first, second}}}, okHandler)
	serial := func(name string) string {
		config := &tls.Config{InsecureSkipVerify: true, ServerName: name}
		c := tls.Client(dial(t, s.Addrs().HTTPS.String()), config)
		defer c.Close()
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		leaf := c.ConnectionState().PeerCertificates[0]
		return leaf.Subject.CommonName + leaf.SerialNumber.String()
	}
	for name, want := range map[string]string{"first.test": "first", "second.test": "second", "x.second.test": "second",
		"third.test": "first"} {
		if got := serial(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s gets the certificate of %s", name, got)
		}
	}
	before := serial("second.test")
	if err := os.WriteFile(first.Cert, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := serial("second.test"); got != before {
		t.Error("a bad file took the good one's place")
	}
	a.server(t, "first", "first.test")
	a.server(t, "second", "second.test")
	for end := time.Now().Add(20 * time.Second); serial("second.test") == before; {
		if time.Now().After(end) {
			t.Fatal("the changed certificate is not taken over")
		}
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	inside, leave := make(chan struct{}), make(chan struct{})
	s := serve(t, plain, sluice.HandlerFunc(func(x *sluice.Exchange) error {
		if string(x.Request.Path) == "/wait" {
			close(inside)
			<-leave
		}
		_, err := x.Request.Body.Load(1 << 20)
		return err
	}))
	address := s.Addrs().HTTP.String()
	kept, waiting := dial(t, address), dial(t, address)
	if ask(t, kept).Close {
		t.Fatal("the connection is not kept")
	}
	io.WriteString(waiting, strings.Replace(get, "/ ", "/wait ", 1))
	<-inside

	// New limits hold for new connections, on the same socket; the old ones are asked to leave.
	c := plain
	c.HTTP, c.Limits.MaxBody, c.Drain.Delay = address, 1, time.Minute
	if err := s.Apply(c); err != nil {
		t.Fatal(err)
	}
	if got := s.Addrs().HTTP.String(); got != address {
		t.Errorf("the address is %s now, was %s", got, address)
	}
	fresh := dial(t, address)
	io.WriteString(fresh, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")
	if answer, err := http.ReadResponse(newReader(fresh), nil); err != nil || answer.StatusCode != 413 {
		t.Errorf("got %v and %v, want 413 under the new limits", answer, err)
	}
	if !ask(t, kept).Close {
		t.Error("a connection of before is not asked to leave")
	}
	close(leave)
	if answer, err := http.ReadResponse(newReader(waiting), nil); err != nil || answer.StatusCode != 200 {
		t.Errorf("got %v and %v for an exchange of before", answer, err)
	}

}

func TestApplyMovesTheAddress(t *testing.T) {
	t.Parallel()
	s := serve(t, plain, okHandler)
	address := s.Addrs().HTTP.String()
	c := plain
	c.HTTP = address

	// A config that cannot be had changes nothing.
	bad := c
	bad.HTTPS = &server.TLS{Address: "127.0.0.1:0", MinVersion: "1.2", Certificates: []server.Certificate{{Cert: "none", Key: "none"}}}
	if s.Apply(bad) == nil {
		t.Error("a config with a missing certificate is taken")
	}
	ask(t, dial(t, address))

	moved := server.Config{Limits: limits, HTTPS: &server.TLS{Address: "127.0.0.1:0", MinVersion: "1.2",
		Certificates: []server.Certificate{newAuthority(t).server(t, "a", "a.test")}}}
	if err := s.Apply(moved); err != nil {
		t.Fatal(err)
	}
	if s.Addrs().HTTP != nil {
		t.Error("the address that is gone is still told")
	}
	ask(t, tls.Client(dial(t, s.Addrs().HTTPS.String()), &tls.Config{InsecureSkipVerify: true}))
	for end := time.Now().Add(20 * time.Second); ; {
		c, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		if c.Close(); time.Now().After(end) {
			t.Fatal("the address that is gone is still served")
		}
	}
}

// TestApplyUnderLoad moves the address and changes limits while clients that heed Connection: close
// run: none may lose a request. A client dials what is told to be the address.
func TestApplyUnderLoad(t *testing.T) {
	t.Parallel()
	s := serve(t, plain, okHandler)
	var dialing sync.RWMutex // held for writing while the address moves, since whoever dials must know the new one
	var stop atomic.Bool
	var clients sync.WaitGroup
	asked := make(chan struct{}, 1)
	for range 4 {
		clients.Go(func() {
			for !stop.Load() {
				dialing.RLock()
				c := dial(t, address(s))
				dialing.RUnlock()
				for answer := ask(t, c); !answer.Close && !stop.Load(); answer = ask(t, c) {
					select {
					case asked <- struct{}{}:
					default:
					}
				}
				c.Close()
			}
		})
	}
	for i := range 12 {
		<-asked
		c := plain
		c.HTTP, c.Limits.MaxBody = address(s), int64(1<<20+i)
		if i%3 == 2 {
			c.HTTP = "127.0.0.1:0" // another one than that of before
		}
		dialing.Lock()
		err := s.Apply(c)
		dialing.Unlock()
		if err != nil {
			t.Error(err)
		}
	}
	stop.Store(true)
	clients.Wait()
}

func TestInternalErrorsAreLoggedOnce(t *testing.T) {
	t.Parallel()
	var log output.Text
	s, err := server.New(plain, sluice.HandlerFunc(func(x *sluice.Exchange) error {
		x.Endpoint = &sluice.Endpoint{Name: "the_endpoint"}
		if string(x.Request.Path) == "/panic" {
			panic("the cause")
		}
		return errors.New("the cause")
	}), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	c := dial(t, s.Addrs().HTTP.String())
	ask(t, c)
	io.WriteString(c, strings.Replace(get, "/ ", "/panic ", 1))
	http.ReadResponse(newReader(c), nil)
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines in the log, want one for each error:\n%s", len(lines), log.String())
	}
	for i, line := range lines {
		for _, want := range []string{"level=ERROR", "the cause", "endpoint=the_endpoint", "request_id=", "path=/"} {
			if !strings.Contains(line, want) {
				t.Errorf("%q does not say %s", line, want)
			}
		}
		if strings.Contains(line, "stack=") != (i == 1) {
			t.Errorf("%q: a stack is for panics", line)
		}
	}
}

func TestHTTP2Rules(t *testing.T) {
	t.Parallel()
	s := serve(t, plain, okHandler)
	valid := []string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/"}
	for _, c := range []struct {
		name   string
		fields []string
		status string // "" when the stream is reset
	}{
		{"as it must be", valid, "200"},
		{"host alone", []string{":method", "GET", ":scheme", "http", ":path", "/", "host", "a"}, "200"},
		{"the same host", append(valid[:len(valid):len(valid)], "host", "A"), "200"},
		{"another host", append(valid[:len(valid):len(valid)], "host", "b"), "400"},
		{"two hosts", append(valid[:len(valid):len(valid)], "host", "a", "host", "a"), "400"},
		{"no host", []string{":method", "GET", ":scheme", "http", ":path", "/"}, "400"},
		{"a path without a slash", []string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "x"}, ""},
		{"an absolute path", []string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "ftp://a/x"}, "400"},
		{"connect", []string{":method", "CONNECT", ":authority", "a:80"}, "400"},
		{"a field of the connection", append(valid[:len(valid):len(valid)], "connection", "close"), "400"},
		{"a name in upper case", append(valid[:len(valid):len(valid)], "X-Upper", "a"), ""},
	} {
		if got := http2Status(t, address(s), c.fields); got != c.status {
			t.Errorf("%s: %q, want %q", c.name, got, c.status)
		}
	}
}

func TestDrainSendsGoAway(t *testing.T) {
	t.Parallel()
	s := serve(t, plain, okHandler)
	s.Drain()
	conn := dial(t, address(s))
	io.WriteString(conn, http2.ClientPreface)
	f := http2.NewFramer(conn, conn)
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, p := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}} {
		e.WriteField(hpack.HeaderField{Name: p[0], Value: p[1]})
	}
	f.WriteSettings()
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatalf("no GOAWAY: %v", err)
		}
		if g, ok := frame.(*http2.GoAwayFrame); ok {
			if g.ErrCode != http2.ErrCodeNo {
				t.Errorf("GOAWAY with %v", g.ErrCode)
			}
			return
		}
	}
}

// http2Status sends one request as it stands and returns the status, or "" for a reset.
func http2Status(t *testing.T, address string, fields []string) string {
	t.Helper()
	conn := dial(t, address)
	io.WriteString(conn, http2.ClientPreface)
	f := http2.NewFramer(conn, conn)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	f.WriteSettings()
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			return frame.PseudoValue("status")
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return ""
		}
	}
}
