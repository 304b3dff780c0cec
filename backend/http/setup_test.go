package http

import (
	"bufio"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// wire is the client's side of an exchange.
type wire struct {
	ctx    context.Context
	inform func(status int, h *sluice.Header) error
}

func (w *wire) Context() context.Context { return w.ctx }

func (w *wire) Inform(status int, h *sluice.Header) error {
	if w.inform == nil {
		return nil
	}
	return w.inform(status, h)
}

// service is an open backend with its handler.
type service struct {
	env     *sluice.Env
	opened  sluice.Opened
	handler sluice.Handler
	ep      *sluice.Endpoint
}

func (s *service) backend() *backend { return s.opened.Backend.(*backend) }

// link is what is kept for the first host.
func (s *service) link() *link {
	for h := range s.backend().hosts.All() {
		return h.Link
	}
	return nil
}

// openService opens the kind as build does.
func openService(t testing.TB, urls []string, changes ...any) *service {
	t.Helper()
	env := &sluice.Env{Name: "legacy", Log: slog.New(slog.DiscardHandler), Metrics: sluice.NoMetrics{}, Now: time.Now}
	kind := Kind
	where, use := kind.NewWhere().(*Where), kind.NewUse().(*Use)
	where.URLs = urls
	for _, change := range changes {
		switch f := change.(type) {
		case func(*Where):
			f(where)
		case func(*Use):
			f(use)
		case func(*sluice.Env):
			f(env)
		default:
			t.Fatalf("no change: %T", change)
		}
	}
	ep := &sluice.Endpoint{Name: "get", Routes: []string{"GET /users/{id}"},
		Inputs: []sluice.Input{{Name: "id", In: "path", Type: sluice.Text, Required: true}}}
	bind := func(r *sluice.Reference) {
		if err := r.Bind(sluice.Scope{Endpoint: ep}); err != nil {
			t.Fatal(err)
		}
	}
	use.Path.References(bind)
	for i := range use.Query {
		use.Query[i].Value.References(bind)
	}
	for i := range use.Headers {
		use.Headers[i].Value.References(bind)
	}
	if err := errors.Join(where.Check(), use.Check()); err != nil {
		t.Fatal(err)
	}
	opened, err := kind.OpenBackend(env, where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(env.Close)
	h, err := opened.Handle(env, ep, use)
	if err != nil {
		t.Fatal(err)
	}
	return &service{env: env, opened: opened, handler: h, ep: ep}
}

// request makes an exchange as an engine would: fields in pairs.
func request(w *wire, method, target string, fields ...string) *sluice.Exchange {
	if w == nil {
		w = &wire{ctx: context.Background()}
	}
	x := sluice.NewExchange(w)
	r := &x.Request
	r.Method, r.Scheme, r.Proto, r.Host = method, "http", "HTTP/1.1", []byte("api.example.org")
	r.Path, r.Query, _ = sluice.Target(nil, []byte(target))
	r.Remote = netip.MustParseAddrPort("192.0.2.7:4711")
	r.Client = r.Remote.Addr()
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return x
}

// stream is a request's body: closing it ends a read that waits, as an engine does it.
type stream struct {
	io.Reader
	close func()
}

func (s stream) Close(error) {
	if s.close != nil {
		s.close()
	}
}

// pipe is a body that the test writes.
func pipe() (stream, *io.PipeWriter) {
	r, w := io.Pipe()
	return stream{Reader: r, close: func() { r.Close() }}, w
}

// answer is what a client would have got.
type answer struct {
	status  int
	header  map[string][]string
	trailer map[string][]string
	body    string
	err     error // of Serve, or of reading the body
}

// ask serves x to its end.
func (s *service) ask(x *sluice.Exchange) (a answer) {
	x.Endpoint = s.ep
	if err := s.handler.Serve(x); err != nil {
		e := sluice.ErrorOf(err)
		x.End(sluice.Outcome{Status: e.Code.Status(), Err: err})
		return answer{status: e.Code.Status(), err: err}
	}
	r := &x.Response
	a = answer{status: r.Status, header: fieldMap(&r.Header)}
	if st := r.Body.Stream; st != nil {
		body, err := io.ReadAll(st)
		a.body, a.err = string(body), err
		r.Body.Close(err)
	} else {
		a.body = string(r.Body.Bytes)
	}
	a.trailer = fieldMap(&r.Trailer)
	x.End(sluice.Outcome{Status: r.Status, Err: a.err})
	return a
}

func fieldMap(h *sluice.Header) map[string][]string {
	m := map[string][]string{}
	for _, f := range h.Fields() {
		name := strings.ToLower(string(f.Name))
		m[name] = append(m[name], string(f.Value))
	}
	return m
}

// upstreamServer is a net/http server.
func upstreamServer(t testing.TB, f nethttp.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

// rawUpstream serves each connection with script, which is told the connection's number from zero.
func rawUpstream(t testing.TB, script func(n int, c net.Conn, r *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	all.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			all.Go(func() {
				defer c.Close()
				script(n, c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return "http://" + l.Addr().String()
}

// readHeadOf reads a request's head as text.
func readHeadOf(r *bufio.Reader) string {
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String()
		}
	}
}

// answering is an upstream that answers every request without a body with the same bytes, then perhaps closes.
func answering(t testing.TB, text string, closes bool) string {
	return rawUpstream(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for readHeadOf(r) != "" {
			io.WriteString(c, text)
			if closes {
				return
			}
		}
	})
}

// deadAddress is an address where nobody listens.
func deadAddress(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return sluice.ErrorOf(err).Code.String()
}

func mustAddrPort(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

func writePEM(t testing.TB, path string, der []byte) {
	t.Helper()
	p := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(path, p, 0o600); err != nil {
		t.Fatal(err)
	}
}
