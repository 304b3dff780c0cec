package battery

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long an answer, or the end of a connection, may take to come.
const patience = 20 * time.Second

// brief is patience with a server of which it is known that it may answer otherwise, or not at all.
const brief = 500 * time.Millisecond

// apart is the pause between the two pieces of a request that comes in two: long enough for the server to read the first
// one alone, nearly always. Whether it did changes no answer.
const apart = 400 * time.Microsecond

// second is the request behind a case, and secondEcho what is answered to it.
const (
	second     = "GET /second HTTP/1.1\r\nHost: a\r\n\r\n"
	secondEcho = "GET a /second [] [] "
)

// run is one run of all cases.
type run struct {
	target *Target
	ctx    context.Context
	slots  chan struct{}

	mu     sync.Mutex // guards report
	report Report
}

// acquire waits for a slot; false when the run is over.
func (r *run) acquire() bool {
	select {
	case r.slots <- struct{}{}:
		return true
	case <-r.ctx.Done():
		return false
	}
}

func (r *run) release() { <-r.slots }

// more begins one more case in a slot; false when the run is over.
func (r *run) more(all *sync.WaitGroup, f func()) bool {
	if !r.acquire() {
		return false
	}
	r.mu.Lock()
	r.report.Cases++
	r.mu.Unlock()
	all.Go(func() {
		defer r.release()
		f()
	})
	return true
}

// one sends a case in all ways, in the slot that it holds. What fails whole is not split too.
func (r *run) one(c Case) {
	fault := r.try(c, whole)
	if fault == nil && c.Want.then != ended {
		fault = r.try(c, pipelined)
	}
	r.release()
	if r.target.NetHTTP && c.Mark != "" {
		r.mark(c, fault)
		return
	}
	if fault == nil && !c.once {
		fault = r.split(c)
	}
	if fault != nil {
		r.fault(*fault)
	}
}

// mark takes note of a case that net/http is known to answer otherwise.
func (r *run) mark(c Case, fault *Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Marked++
	if fault == nil {
		r.report.Faults = append(r.report.Faults, Fault{Case: c.Name, Way: "whole", Sent: c.Text,
			Got: "just that", Want: "what the case is marked with: " + c.Mark})
	}
}

func (r *run) fault(f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Faults = append(r.report.Faults, f)
}

// split sends a case in two pieces, split at every place or at so many, with the second request behind it.
func (r *run) split(c Case) *Fault {
	step := 1
	if n := r.target.Splits; n > 0 && len(c.Text) > n {
		step = (len(c.Text) + n - 1) / n
	}
	if most := 300; len(c.Text)/step > most { // long ones are long in one part, which is the same all along
		step = len(c.Text) / most
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var first *Fault
	for at := 1; at < len(c.Text); at += step {
		if !r.acquire() {
			break
		}
		all.Go(func() {
			defer r.release()
			f := r.try(c, at)
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				first = f
			}
		})
		mu.Lock()
		failed := first != nil
		mu.Unlock()
		if failed {
			break
		}
	}
	all.Wait()
	return first
}

// Ways to send a case; any other is the place where it is split.
const (
	whole     = 0
	pipelined = -1
)

func way(at int) string {
	switch at {
	case whole:
		return "whole"
	case pipelined:
		return "before a second request"
	}
	return fmt.Sprintf("split behind byte %d, before a second request", at)
}

// try sends a case in one way, on a connection of its own, and tells what is wrong with the answer.
func (r *run) try(c Case, at int) *Fault {
	r.mu.Lock()
	r.report.Sent++
	r.mu.Unlock()
	text := c.Text
	if at != whole && c.Want.then != ended {
		text += second
	}
	fault := &Fault{Case: c.Name, Way: way(at), Sent: c.Text, Want: c.Want.String()}
	conn, err := r.target.dial(r.target.Address)
	if err == nil && r.target.NetHTTP && c.Mark != "" {
		conn.SetDeadline(time.Now().Add(brief))
	}
	if err != nil {
		fault.Got = err.Error()
		return fault
	}
	defer conn.close()
	var sent sync.WaitGroup // beside reading: a long request may be refused before it is out
	sent.Go(func() {
		if at > 0 {
			io.WriteString(conn, text[:at])
			time.Sleep(apart)
			text = text[at:]
		}
		io.WriteString(conn, text) // which may be refused already, and the connection closed
		if c.Want.then == ended {
			conn.CloseWrite()
		}
	})
	defer sent.Wait()
	defer conn.Close()
	if got := r.judge(conn, c, at == whole); got != "" {
		fault.Got, fault.Taken = got, c.Refused() && statusOf(conn.raw.String()) == 200
		return fault
	}
	return nil
}

// judge reads what comes, and tells what is wrong with it; empty is nothing.
func (r *run) judge(conn *conn, c Case, whole bool) string {
	method, _, _ := strings.Cut(c.Text, " ")
	a, err := conn.answer(method)
	if err != nil {
		if c.Want.then == ended && conn.isEnd(err) && len(conn.raw.Bytes()) == 0 {
			return ""
		}
		if r.target.NetHTTP && conn.isEnd(err) && len(conn.raw.Bytes()) == 0 && c.Want.status[0] != 200 {
			return "" // it closes over what it has not read, and the reset may take its answer along
		}
		return err.Error()
	}
	if !slices.Contains(c.Want.status, a.status) {
		return a.String()
	}
	if c.Want.echo != "" && a.status == 200 && a.body != c.Want.echo {
		return a.String()
	}
	then := c.Want.then
	if then == either {
		if then = kept; a.leaves {
			then = closed
		}
	}
	switch then {
	case closed:
		if !a.leaves {
			return a.String() + " that does not say Connection: close"
		}
		return conn.end(a)
	case ended:
		return conn.end(a)
	}
	if a.leaves {
		return a.String() + " with Connection: close"
	}
	if whole {
		if _, err := io.WriteString(conn, second); err != nil {
			return fmt.Sprintf("%s, and then %v", a, err)
		}
	}
	return conn.next(a)
}

// conn is a connection with all that came over it.
type conn struct {
	net.Conn
	raw    bytes.Buffer
	reader *bufio.Reader
	// nethttp lets the connection be reset behind an answer: net/http closes over what it has not read.
	nethttp bool
}

func (t *Target) dial(address string) (*conn, error) {
	dialer := net.Dialer{Timeout: patience}
	plain, err := dialer.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: plain, nethttp: t.NetHTTP}
	if t.TLS != nil {
		config := t.TLS.Clone()
		config.NextProtos = []string{"http/1.1"}
		c.Conn = tls.Client(plain, config)
	}
	wait := patience
	if t.Patience > 0 {
		wait = t.Patience
	}
	c.SetDeadline(time.Now().Add(wait))
	c.reader = bufio.NewReader(io.TeeReader(c.Conn, &c.raw))
	return c, nil
}

// CloseWrite ends what is sent.
func (c *conn) CloseWrite() error { return c.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// close leaves nothing of the connection in the system: there are very many.
func (c *conn) close() {
	raw := c.Conn
	if t, ok := raw.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

// answer is one final answer, with its body.
type answer struct {
	status int
	leaves bool // it says Connection: close
	body   string
	header http.Header
}

func (a *answer) String() string {
	return fmt.Sprintf("%d with the body %.200q", a.status, a.body)
}

// answer reads the next final answer; an error tells what came instead.
func (c *conn) answer(method string) (*answer, error) {
	for {
		response, err := http.ReadResponse(c.reader, &http.Request{Method: method})
		if err != nil {
			return nil, c.instead(err)
		}
		if response.StatusCode < 200 && response.StatusCode != 101 {
			continue
		}
		body, err := io.ReadAll(response.Body)
		if err != nil && !(response.Close && response.ContentLength < 0 && c.nethttp && errors.Is(err, syscall.ECONNRESET)) {
			return nil, c.instead(err)
		}
		return &answer{status: response.StatusCode, leaves: response.Close, body: string(body), header: response.Header}, nil
	}
}

// instead is an error with what came.
func (c *conn) instead(err error) error {
	if late(err) {
		return fmt.Errorf("%.200q and then nothing more, on a connection that stays open", c.raw.String())
	}
	return fmt.Errorf("%.200q and then %w", c.raw.String(), err)
}

func late(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// isEnd tells whether an error says that the server has closed the connection.
func (c *conn) isEnd(err error) bool {
	_, broken := errors.AsType[*net.OpError](err)
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || broken
}

// end reads to the end of the connection, where nothing more may come behind the answer.
func (c *conn) end(a *answer) string {
	rest, err := io.ReadAll(c.reader)
	switch {
	case len(rest) > 0:
		return fmt.Sprintf("%s, and behind it %.200q", a, rest)
	case late(err):
		return a.String() + ", and a connection that stays open"
	}
	return ""
}

// next reads the answer to the second request.
func (c *conn) next(first *answer) string {
	a, err := c.answer("GET")
	switch {
	case err != nil:
		return fmt.Sprintf("%s, and for the second request %v", first, err)
	case a.status != 200 || a.body != secondEcho:
		return fmt.Sprintf("%s, and for the second request %s", first, a)
	}
	return ""
}
