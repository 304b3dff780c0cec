package server_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/server"
)

// fieldsHandler answers with every field and the body, which it reads first: so what is borrowed must outlive that.
var fieldsHandler = sluice.HandlerFunc(func(x *sluice.Exchange) error {
	r := &x.Request
	var body []byte
	if s := r.Body.Stream; s != nil {
		p := make([]byte, 3000)
		for {
			n, err := s.Read(p)
			if body = append(body, p[:n]...); err == io.EOF {
				break
			} else if err != nil {
				return err
			}
		}
	} else {
		body = bytes.Clone(r.Body.Bytes)
	}
	text := fmt.Appendf(nil, "%s %s?%s %s", r.Method, r.Path, r.Query, r.Host)
	for _, h := range []*sluice.Header{&r.Header, &r.Trailer} {
		for _, f := range h.Fields() {
			text = fmt.Appendf(text, "\n%s=%s", f.Name, f.Value)
		}
	}
	x.Response.Body.SetBytes(fmt.Appendf(text, "\n%s", body))
	return nil
})

// sized makes a request with a header of about that many bytes, and the answer to it.
func sized(i, header int, body string, chunked bool) (request, answer string) {
	var h, seen strings.Builder
	for n := 0; h.Len() < header; n++ {
		name, value := fmt.Sprintf("X-%d-%d", i, n), strings.Repeat(string(rune('a'+(i+n)%26)), min(header/8, 5000))
		fmt.Fprintf(&h, "%s: %s\r\n", name, value)
		fmt.Fprintf(&seen, "\n%s=%s", name, value)
	}
	head := fmt.Sprintf("POST /p%d?q=%d HTTP/1.1\r\n%sHost: h%d\r\n", i, i, h.String(), i)
	answer = fmt.Sprintf("POST /p%d?q=%d h%d%s", i, i, i, seen.String())
	if !chunked {
		return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body), fmt.Sprintf("%s\nContent-Length=%d\n%s", answer, len(body), body)
	}
	request = head + "Transfer-Encoding: chunked\r\n\r\n"
	for rest := body; rest != ""; {
		n := min(len(rest), 1+(i*977)%7000)
		request += fmt.Sprintf("%x;i=%d\r\n%s\r\n", n, i, rest[:n])
		rest = rest[n:]
	}
	return request + "0\r\nX-Sum: 1\r\n\r\n", answer + "\nX-Sum=1\n" + body
}

// Requests that come at once are answered in their order, whatever their sizes, and however they are cut.
func TestPipelinedRequests(t *testing.T) {
	t.Parallel()
	secure, config := secureServer(t, fieldsHandler, limits)
	open := serveWith(t, fieldsHandler, nil)
	var requests, answers []string
	for i := range 40 {
		header := []int{0, 100, 1000, 4000, 4096, 9000, 60000}[i%7]
		body := strings.Repeat(string(rune('A'+i%26)), []int{0, 3, 3000, 4096, 20000, 200000}[(i/7)%6])
		request, answer := sized(i, header, body, i%3 == 1)
		requests, answers = append(requests, request), append(answers, answer)
	}
	all := strings.Join(requests, "")
	for _, piece := range []int{len(all), 65536, 4096, 4095, 1000, 97} {
		for _, p := range []*peer{connect(t, open), connectTLS(t, secure, config, "http/1.1")} {
			sent := make(chan error, 1)
			go func() {
				for rest := all; rest != ""; {
					n := min(piece, len(rest))
					if _, err := io.WriteString(p, rest[:n]); err != nil {
						sent <- err
						return
					}
					rest = rest[n:]
				}
				sent <- nil
			}()
			for _, want := range answers {
				p.want(200, want)
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			p.Close()
		}
	}
}

// A header may fill MaxHeader to its last byte, and no more.
func TestHeaderAtItsLimit(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{200, 4 << 10, 5000, 16 << 10, 64 << 10} {
		at := serveWith(t, echoHandler, func(l *server.Limits) { l.MaxHeader = int64(limit) })
		for over, want := range map[int]int{-1: 200, 0: 200, 1: 431, 5000: 431} {
			for _, cut := range []bool{false, true} {
				const begin, end = "GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n\r\n"
				text := begin + strings.Repeat("x", limit+over-len(begin)-len(end)) + end
				p := connect(t, at)
				if cut {
					p.send(text[:50])
					text = text[50:]
				}
				p.send(text)
				answer, err := http.ReadResponse(p.r, nil)
				if err != nil || answer.StatusCode != want || answer.Close != (want != 200) {
					t.Errorf("a header of %d bytes, %d are allowed: %v, %v", limit+over, limit, answer, err)
				}
				p.Close()
			}
		}
		p := connect(t, at)
		p.send("GET /" + strings.Repeat("x", limit))
		if answer, err := http.ReadResponse(p.r, nil); err != nil || answer.StatusCode != 414 {
			t.Errorf("a target of more than %d bytes: %v, %v", limit, answer, err)
		}
	}
}

// Whoever reads on when his exchange is over gets an error, and not what belongs to the next one.
func TestReadingOnWhenTheExchangeIsOver(t *testing.T) {
	t.Parallel()
	var before sluice.Stream
	at := serveWith(t, sluice.HandlerFunc(func(x *sluice.Exchange) error {
		s := x.Request.Body.Stream
		if before != nil {
			if n, err := before.Read(make([]byte, 10)); n > 0 || err == nil {
				t.Errorf("%d bytes and %v of a body whose exchange is over", n, err)
			}
			before.Close(nil)
		}
		before = s
		if string(x.Request.Path) == "/replaced" {
			x.Request.Body.SetBytes(nil) // and nobody closes it
			return nil
		}
		return echoHandler(x)
	}), nil)
	p := connect(t, at)
	for _, path := range []string{"/", "/replaced", "/", "/replaced", "/"} {
		p.send("POST " + path + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
		if path == "/" {
			p.want(200, "POST /  abc")
		} else {
			p.want(200, "")
		}
	}
}

// A body that was put aside while somebody reads it ends with its exchange.
func TestBodyThatWasPutAside(t *testing.T) {
	t.Parallel()
	reads := make(chan error, 1)
	at := serveWith(t, sluice.HandlerFunc(func(x *sluice.Exchange) error {
		s, begun := x.Request.Body.Stream, make(chan struct{})
		go func() {
			p := make([]byte, 3)
			_, err := io.ReadFull(s, p)
			for close(begun); err == nil; {
				_, err = s.Read(p)
			}
			reads <- err
		}()
		<-begun
		x.Request.Body.SetBytes(nil)
		return nil
	}), nil)
	p := connect(t, at)
	p.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
	p.want(200, "")
	if err := <-reads; err == io.EOF {
		t.Error("the body seems whole")
	}
	p.end()
}

// 100 Continue comes before the answer, or not at all, also where one goroutine asks for the body while another answers.
func TestContinueBesideAnAnswer(t *testing.T) {
	t.Parallel()
	at := serveWith(t, sluice.HandlerFunc(func(x *sluice.Exchange) error {
		s, over := x.Request.Body.Stream, make(chan struct{})
		go func() {
			defer close(over)
			s.Read(make([]byte, 10))
		}()
		x.OnEnd(sluice.EnderFunc(func(*sluice.Exchange, sluice.Outcome) { <-over }))
		x.Response.Body.SetBytes([]byte("HTTP/1.1 is the version"))
		return nil
	}), nil)
	for range 200 {
		p := connect(t, at)
		p.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
		got, err := io.ReadAll(p.r)
		text := strings.TrimPrefix(string(got), "HTTP/1.1 100 Continue\r\n\r\n")
		if err != nil || !strings.HasPrefix(text, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(text, "\r\n\r\nHTTP/1.1 is the version") || strings.Contains(text, " 100 ") {
			t.Fatalf("%q, %v", got, err)
		}
		p.Close()
	}
}

// What is refused for what it asks for, and not for its framing, is read to its end like any other.
func TestRefusedRequestWithABody(t *testing.T) {
	t.Parallel()
	secure, config := secureServer(t, echoHandler, limits)
	open := serveWith(t, echoHandler, nil)
	for _, c := range [][]string{{"3\r\n\r\nabc"}, {"3\r\n\r\n", "abc"}, {"3\r\n\r\na", "bc"}, {"20000\r\n\r\n" + strings.Repeat("x", 20000)},
		{"3\r\nExpect: 100-continue\r\n\r\n"}} {
		for _, p := range []*peer{connect(t, open), connectTLS(t, secure, config, "http/1.1")} {
			p.send("POST /../ HTTP/1.1\r\nHost: a\r\nContent-Length: ")
			for _, part := range c {
				p.send(part)
			}
			answer, err := http.ReadResponse(p.r, nil)
			if err != nil || answer.StatusCode != 400 || answer.Close != strings.Contains(c[0], "Expect") {
				t.Fatalf("%.40q: %v, %v", c, answer, err)
			}
			io.Copy(io.Discard, answer.Body)
			if !answer.Close {
				p.send(get)
				p.want(200, "GET /  ")
			}
			p.Close()
		}
	}
}
