package http

import (
	"bufio"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

func TestPassesRequestAndAnswer(t *testing.T) {
	t.Parallel()
	url := upstreamServer(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Method", r.Method)
		w.Header().Set("X-Target", r.RequestURI)
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.WriteHeader(418)
		fmt.Fprintf(w, "%s|%s", body, r.Header.Get("X-Own"))
	})
	s := openService(t, []string{url + "/base/"})
	x := request(nil, "POST", "/a%20b?x=1;y=%zz", "X-Own", "v", "Content-Type", "text/plain")
	x.Request.Body.SetBytes([]byte("hello"))
	a := s.ask(x)
	if a.err != nil || a.status != 418 || a.body != "hello|v" {
		t.Fatalf("%+v", a)
	}
	if got := a.header["x-target"][0]; got != "/base/a%20b?x=1;y=%zz" {
		t.Errorf("target %s", got)
	}
	if got := a.header["set-cookie"]; len(got) != 2 || got[0] != "a=1" || got[1] != "b=2" {
		t.Errorf("cookies %q", got)
	}
}

// heads records the heads that an upstream sees.
func heads(t *testing.T) (url string, seen func() string) {
	ch := make(chan string, 16)
	url = rawUpstream(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			head := readHeadOf(r)
			if head == "" {
				return
			}
			ch <- head
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	return url, func() string { return <-ch }
}

func TestRequestIsRewrittenAsConfigured(t *testing.T) {
	t.Parallel()
	url, seen := heads(t)
	tmpl := func(text string) sluice.Template {
		p, err := sluice.ParseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	s := openService(t, []string{url}, func(u *Use) {
		u.Method, u.Host = "PUT", "pass"
		if err := u.Path.UnmarshalText([]byte("/u/{id}/{query.q}")); err != nil {
			t.Fatal(err)
		}
		u.Query = sluice.Map[sluice.Template]{{Name: "a&b", Value: tmpl("{query.q}")}, {Name: "no", Value: tmpl("{query.none}")}, {Name: "c", Value: tmpl("1 {id}")}}
		u.Headers = sluice.Map[sluice.Template]{{Name: "X-Id", Value: tmpl("<{query.q}>")}, {Name: "Cookie", Value: tmpl("{query.none}")}}
	})
	x := request(nil, "GET", "/users/7?q=x/%20%26", "x-id", "forged", "Cookie", "secret")
	x.Request.Params = append(x.Request.Params, sluice.Param{Name: "id", Value: []byte("a%2Bb")})
	x.SetInput(0, sluice.TextValue([]byte("a+b")))
	if a := s.ask(x); a.err != nil {
		t.Fatal(a.err)
	}
	want := "PUT /u/a%2Bb/x%2F%20& HTTP/1.1\r\nHost: api.example.org\r\nX-Id: <x/ &>\r\n"
	want = strings.Replace(want, " HTTP/1.1", "?a%26b=x%2F%20%26&c=1%20a%2Bb HTTP/1.1", 1)
	if got := seen(); !strings.HasPrefix(got, want) || strings.Contains(got, "forged") || strings.Contains(got, "Cookie") {
		t.Errorf("got\n%swant the start\n%s", got, want)
	}
}

func TestHopByHopFieldsStay(t *testing.T) {
	t.Parallel()
	url, seen := heads(t)
	s := openService(t, []string{url})
	a := s.ask(request(nil, "GET", "/", "Connection", "close", "Keep-Alive", "timeout=5",
		"Proxy-Connection", "keep-alive", "TE", "gzip, trailers", "Trailer", "X-T", "Transfer-Encoding", "chunked",
		"Upgrade", "h2c", "HTTP2-Settings", "AAMA", "Proxy-Authorization", "Basic x", "Proxy-Authenticate", "Basic",
		"X-Stays", "2", "Accept-Encoding", "br", "Host", "evil"))
	if a.err != nil {
		t.Fatal(a.err)
	}
	head := seen()
	own := strings.ReplaceAll(head, s.backend().pseudonym, "P")
	want := "GET / HTTP/1.1\r\nHost: " + strings.TrimPrefix(url, "http://") + "\r\n" +
		"X-Stays: 2\r\nAccept-Encoding: br\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n" +
		"X-Forwarded-Host: api.example.org\r\nForwarded: for=192.0.2.7;host=\"api.example.org\";proto=http\r\n" +
		"Via: 1.1 P\r\nConnection: TE\r\nTE: trailers\r\n\r\n"
	if own != want {
		t.Errorf("got\n%swant\n%s", own, want)
	}
}

func TestConnectionNamingEssentialFieldsIsRefused(t *testing.T) {
	t.Parallel()
	url, _ := heads(t)
	s := openService(t, []string{url})
	for _, name := range []string{"Host", "content-length", "close, Authorization", "Cookie"} {
		if a := s.ask(request(nil, "GET", "/", "Connection", name)); a.status != 400 {
			t.Errorf("%s: %d %v", name, a.status, a.err)
		}
	}
	s = openService(t, []string{answering(t, "HTTP/1.1 200 OK\r\nConnection: Set-Cookie\r\nContent-Length: 0\r\n\r\n", false)})
	if a := s.ask(request(nil, "GET", "/")); a.status != 502 {
		t.Errorf("answer: %d %v", a.status, a.err)
	}
}

func TestForwarded(t *testing.T) {
	t.Parallel()
	url, seen := heads(t)
	s := openService(t, []string{url})
	fields := []string{"X-Forwarded-For", "198.51.100.1", "Forwarded", "for=198.51.100.1", "X-Forwarded-Proto", "https",
		"X-Forwarded-Host", "shop.example", "X-Forwarded-Prefix", "/x", "X-Real-IP", "198.51.100.1", "Via", "1.0 edge"}
	for _, test := range []struct {
		trusted bool
		want    []string
		not     string
	}{
		{false, []string{"X-Forwarded-For: 2001:db8::1\r\n", "X-Forwarded-Proto: http\r\n", "X-Forwarded-Host: api.example.org\r\n",
			"Forwarded: for=\"[2001:db8::1]\";host=\"api.example.org\";proto=http\r\n", "Via: 1.0 edge, 1.1 sluice-"}, "198.51.100.1"},
		{true, []string{"X-Forwarded-For: 198.51.100.1, 2001:db8::1\r\n", "X-Forwarded-Proto: https\r\n", "X-Forwarded-Host: shop.example\r\n",
			"Forwarded: for=198.51.100.1, for=\"[2001:db8::1]\";host=", "X-Forwarded-Prefix: /x\r\n", "X-Real-IP: 198.51.100.1\r\n"}, "forged"},
	} {
		x := request(nil, "GET", "/", fields...)
		x.Request.TrustedPeer = test.trusted
		x.Request.Remote = mustAddrPort("[2001:db8::1]:9")
		if a := s.ask(x); a.err != nil {
			t.Fatal(a.err)
		}
		head := seen()
		for _, want := range test.want {
			if !strings.Contains(head, want) {
				t.Errorf("trusted %t: no %q in\n%s", test.trusted, want, head)
			}
		}
		if strings.Contains(head, test.not) {
			t.Errorf("trusted %t: %q in\n%s", test.trusted, test.not, head)
		}
	}
}

func TestLoopIsDetected(t *testing.T) {
	t.Parallel()
	url, _ := heads(t)
	s := openService(t, []string{url})
	a := s.ask(request(nil, "GET", "/", "Via", "1.1 a, 1.1 "+s.backend().pseudonym))
	if a.status != 508 {
		t.Errorf("%d %v", a.status, a.err)
	}
}

func TestLineBreaksCannotAddFields(t *testing.T) {
	t.Parallel()
	url, _ := heads(t)
	s := openService(t, []string{url})
	for _, value := range []string{"a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b"} {
		if a := s.ask(request(nil, "GET", "/", "X-A", value)); a.status != 400 {
			t.Errorf("%q: %d %v", value, a.status, a.err)
		}
	}
}

func TestFramingOfRequests(t *testing.T) {
	t.Parallel()
	url, seen := heads(t)
	s := openService(t, []string{url})
	for _, test := range []struct{ method, field, want string }{
		{"GET", "", ""}, {"POST", "", "Content-Length: 0\r\n"}, {"DELETE", "", ""}, {"DELETE", "0", "Content-Length: 0\r\n"},
	} {
		x := request(nil, test.method, "/")
		if test.field != "" {
			x.Request.Header.Add("Content-Length", test.field)
		}
		if a := s.ask(x); a.err != nil {
			t.Fatal(a.err)
		}
		head := seen()
		if got := strings.Contains(head, "Content-Length"); got != (test.want != "") || !strings.Contains(head, test.want) {
			t.Errorf("%s %q: %s", test.method, test.field, head)
		}
	}
}

func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"ftp://a": "scheme", "http://u:p@a": "password", "http://": "no host", "http://a?b": "query", "http://a/b/../c": "one way",
		"http://a:0": "port", "http://a:99999": "port", "://": "not a URL",
	} {
		c := Kind
		where := c.NewWhere().(*Where)
		where.URLs = []string{url}
		if err := where.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", url, err)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("%s: the error shows the password: %v", url, err)
		}
	}
	for name, ok := range map[string]bool{"X-Id": true, "X-Real-IP": true, "Authorization": true, "Host": false, "te": false,
		"Content-Length": false, "Via": false, "X-Forwarded-For": false, "a b": false, "Connection": false} {
		use := Use{Headers: sluice.Map[sluice.Template]{{Name: name}}}
		if err := use.Check(); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	twice := Use{Headers: sluice.Map[sluice.Template]{{Name: "X-A"}, {Name: "x-a"}}}
	if err := twice.Check(); err == nil || !strings.Contains(err.Error(), "headers.x-a: the same field as X-A") {
		t.Errorf("a field under two names: %v", err)
	}
}
