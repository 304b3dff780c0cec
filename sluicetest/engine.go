package sluicetest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/server"
)

// EngineNode is a running server under test.
type EngineNode struct {
	// Address is host and port.
	Address string
	// TLS is what a client needs to be let in, a certificate of its own included; nil without TLS.
	TLS *tls.Config
	// HTTP2 has the suite's clients speak HTTP/2; otherwise they speak HTTP/1.1, also over raw connections.
	HTTP2 bool
	// Lax leaves out what net/http does not keep for HTTP/1.1: three rules of framing, how HTTP/1.0 is cut off, and
	// what clients may rely on when the server stops.
	Lax bool
	// Drain and Shutdown are those of server.Server.
	Drain    func()
	Shutdown func(context.Context) error
}

// EngineStart starts a server for a handler, and stops it when the test is over. With TLS it asks clients for a
// certificate.
type EngineStart func(t *testing.T, h sluice.Handler, l server.Limits, d server.Drain) *EngineNode

// Engine checks that an engine moves exchanges as the Handler, Exchange and Wire of package sluice promise it, and
// reads and writes HTTP as its RFCs have it. It knows no more of the engine than an address.
func Engine(t *testing.T, start EngineStart) {
	groups := [][]engineCase{exchangeCases, bodyCases, earlyCases, answerCases, endCases, drainCases}
	n := startIdle(t, start)
	if !n.HTTP2 {
		groups = append(groups, messageCases, framingCases, upgradeCases)
	}
	if !n.HTTP2 && !n.Lax {
		groups = append(groups, cutCases, partCases)
	}
	for _, c := range memoryCases { // which look at the whole process, so nothing runs beside them
		t.Run(c.name, func(t *testing.T) { c.run(t, &engineTest{start: start, limits: engineLimits}) })
	}
	for _, c := range slices.Concat(groups...) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, &engineTest{start: start, limits: engineLimits})
		})
	}
}

// engineCase is one rule and how it is checked.
type engineCase struct {
	name string
	run  func(t *testing.T, e *engineTest)
}

// engineLimits are wide enough to be of no account in a case that does not set its own.
var engineLimits = server.Limits{HeaderTimeout: time.Minute, BodyTimeout: time.Minute, IdleTimeout: time.Minute,
	WholeTimeout: time.Minute, MaxHeader: 64 << 10, MaxBody: 1 << 30, MaxStreams: 100}

// enginePatience is how long the suite waits for what must come.
const enginePatience = 20 * time.Second

// engineTest is the setup of one case.
type engineTest struct {
	start  EngineStart
	limits server.Limits
	drain  server.Drain
	*EngineNode
}

func startIdle(t *testing.T, start EngineStart) *EngineNode {
	return start(t, sluice.HandlerFunc(func(*sluice.Exchange) error { return nil }), engineLimits, server.Drain{})
}

// serve starts the node with a handler.
func (e *engineTest) serve(t *testing.T, h sluice.HandlerFunc) { e.serveHandler(t, h) }

func (e *engineTest) serveHandler(t *testing.T, h sluice.Handler) {
	t.Helper()
	e.EngineNode = e.start(t, h, e.limits, e.drain)
}

// client makes an HTTP client of its own, with one connection at a time for what runs in turn.
func (e *engineTest) client(t *testing.T) *http.Client {
	var protocols http.Protocols
	switch {
	case !e.HTTP2:
		protocols.SetHTTP1(true)
	case e.TLS == nil:
		protocols.SetUnencryptedHTTP2(true)
	default:
		protocols.SetHTTP2(true)
	}
	transport := &http.Transport{TLSClientConfig: e.TLS, Protocols: &protocols, DisableCompression: true,
		ExpectContinueTimeout: enginePatience}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// request makes a request for a target as it stands; body may be nil.
func (e *engineTest) request(t *testing.T, method, target string, body io.Reader) *http.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), enginePatience)
	t.Cleanup(cancel)
	scheme := "http"
	if e.TLS != nil {
		scheme = "https"
	}
	r, err := http.NewRequestWithContext(ctx, method, scheme+"://"+e.Address, body)
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Opaque = target
	r.Header.Set("User-Agent", "")
	return r
}

// do sends a request and returns the answer with its body read; err is that of reading it.
func (e *engineTest) do(t *testing.T, r *http.Request) (answer *http.Response, body string, err error) {
	t.Helper()
	answer, err = e.client(t).Do(r)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	p, err := io.ReadAll(answer.Body)
	return answer, string(p), err
}

// get is do for a GET that must be answered whole.
func (e *engineTest) get(t *testing.T, target string) (*http.Response, string) {
	t.Helper()
	answer, body, err := e.do(t, e.request(t, "GET", target, nil))
	if err != nil {
		t.Fatalf("GET %s: %v", target, err)
	}
	return answer, body
}

// rawConn is a connection over which a case speaks HTTP/1.1 byte by byte.
type rawConn struct {
	net.Conn
	r *bufio.Reader
}

func (e *engineTest) dial(t *testing.T) *rawConn {
	t.Helper()
	var c net.Conn
	var err error
	if e.TLS == nil {
		c, err = net.Dial("tcp", e.Address)
	} else {
		config := e.TLS.Clone()
		config.NextProtos = []string{"http/1.1"}
		c, err = tls.Dial("tcp", e.Address, config)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(enginePatience))
	return &rawConn{c, bufio.NewReader(c)}
}

func (c *rawConn) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// answer reads the next answer, interim ones too, with its body.
func (c *rawConn) answer(t *testing.T, method string) (*http.Response, string) {
	t.Helper()
	answer, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("read an answer: %v", err)
	}
	if answer.StatusCode < 200 {
		return answer, ""
	}
	p, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("read the answer's body: %v", err)
	}
	return answer, string(p)
}

// closed waits for the connection to be closed, and fails when anything comes before that.
func (c *rawConn) closed(t *testing.T) {
	t.Helper()
	p, err := io.ReadAll(c.r)
	if len(p) > 0 {
		t.Fatalf("got %q, want a closed connection", p)
	}
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		t.Fatal("the connection stays open")
	}
}

// exchange sends text on a connection of its own and returns the one answer.
func (e *engineTest) exchange(t *testing.T, text string) (*http.Response, string) {
	t.Helper()
	c := e.dial(t)
	c.send(t, text)
	return c.answer(t, strings.SplitN(text, " ", 2)[0])
}

func wantStatus(t *testing.T, answer *http.Response, status int) {
	t.Helper()
	if answer.StatusCode != status {
		t.Fatalf("status %d, want %d", answer.StatusCode, status)
	}
}

func wantBody(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Fatalf("body %.200q, want %.200q", got, want)
	}
}

// problem reads a problem (RFC 9457) and checks that it has what all have.
func problem(t *testing.T, answer *http.Response, body string, code sluice.Code) map[string]any {
	t.Helper()
	wantStatus(t, answer, code.Status())
	if got := answer.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("content type %q of a problem", got)
	}
	p := map[string]any{}
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("problem %q: %v", body, err)
	}
	if p["type"] != sluice.ProblemType+code.String() || p["title"] != code.Title() || p["status"] != float64(code.Status()) {
		t.Fatalf("problem %s, want type, title and status of %s", body, code)
	}
	if id, ok := p["request_id"].(string); !ok || id == "" {
		t.Fatalf("problem %s has no request_id", body)
	}
	return p
}

// recorder tells what became of exchanges.
type recorder chan sluice.Outcome

func newRecorder() recorder { return make(recorder, 100) }

func (r recorder) End(_ *sluice.Exchange, o sluice.Outcome) { r <- o }

func (r recorder) outcome(t *testing.T) sluice.Outcome {
	t.Helper()
	select {
	case o := <-r:
		return o
	case <-time.After(enginePatience):
		t.Fatal("the exchange does not end")
		return sluice.Outcome{}
	}
}

func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(enginePatience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// pulled is a Stream made of functions; close may be nil.
type pulled struct {
	read  func(p []byte) (int, error)
	close func(why error)
}

func (s *pulled) Read(p []byte) (int, error) { return s.read(p) }

func (s *pulled) Close(why error) {
	if s.close != nil {
		s.close(why)
	}
}

// parts is a Stream that gives one part per Read and then err.
func parts(err error, texts ...string) *pulled {
	return &pulled{read: func(p []byte) (int, error) {
		if len(texts) == 0 {
			return 0, err
		}
		n := copy(p, texts[0])
		texts = texts[1:]
		return n, nil
	}}
}

// zeros is a Stream of size zero bytes; a negative size has no end.
func zeros(size int64) *pulled {
	return &pulled{read: func(p []byte) (int, error) {
		if size == 0 {
			return 0, io.EOF
		}
		n := len(p)
		if size > 0 {
			n = int(min(int64(n), size))
			size -= int64(n)
		}
		clear(p[:n])
		return n, nil
	}}
}

// readAll reads a request's body.
func readAll(x *sluice.Exchange) (string, error) {
	p, err := x.Request.Body.Load(1 << 30)
	return string(bytes.Clone(p)), err
}

// reply answers with a text.
func reply(x *sluice.Exchange, text string) error {
	x.Response.Header.Add("Content-Type", "text/plain")
	x.Response.Body.SetBytes([]byte(text))
	return nil
}

func ok(x *sluice.Exchange) error { return reply(x, "ok") }
