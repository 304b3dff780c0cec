package battery

import "strings"

// group are cases that share what stands around them: frame makes the request of a case's text.
type group struct {
	name  string
	frame func(text string) string
	cases []Case
}

func (g group) all() []Case {
	for i := range g.cases {
		c := &g.cases[i]
		c.Name, c.Text = g.name+": "+c.Name, g.frame(c.Text)
		if c.Mark == "" {
			c.Mark = marks[c.Name]
		}
	}
	return g.cases
}

// asIs frames a whole request.
func asIs(text string) string { return text }

// requestLines are about the first line.
func requestLines() []Case {
	frame := func(line string) string { return line + "\r\nHost: a\r\n\r\n" }
	return group{"request-line (RFC 9112 3)", frame, []Case{
		{Name: "method, target, version", Text: "GET / HTTP/1.1", Want: reads("GET a / [] [] ")},
		{Name: "HEAD is answered without a body", Text: "HEAD / HTTP/1.1", Want: answered},
		{Name: "a method that nobody knows", Text: "BREW /pot HTTP/1.1", Want: reads("BREW a /pot [] [] ")},
		{Name: "a method in lower case is another one", Text: "get / HTTP/1.1", Want: reads("get a / [] [] ")},
		{Name: "a method of every character of a token", Text: "!#$%&'*+-.^_`|~09azAZ / HTTP/1.1", Want: reads("!#$%&'*+-.^_`|~09azAZ a / [] [] ")},
		{Name: "HTTP/1.0 is answered and closed", Text: "GET / HTTP/1.0", Want: leaves},
		{Name: "no version (HTTP/0.9)", Text: "GET /", Want: refused},
		{Name: "no target", Text: "GET HTTP/1.1", Want: refused},
		{Name: "no method", Text: " / HTTP/1.1", Want: refused},
		{Name: "a method alone", Text: "GET", Want: refused},
		{Name: "four parts", Text: "GET / HTTP/1.1 x", Want: refused},
		{Name: "a target with a space", Text: "GET /a b HTTP/1.1", Want: refused},
		{Name: "two spaces before the target", Text: "GET  / HTTP/1.1", Want: refused},
		{Name: "two spaces before the version", Text: "GET /  HTTP/1.1", Want: refused},
		{Name: "a space behind the version", Text: "GET / HTTP/1.1 ", Want: refused},
		{Name: "a space before the method", Text: " GET / HTTP/1.1", Want: refused},
		{Name: "a tab before the target", Text: "GET\t/ HTTP/1.1", Want: refused},
		{Name: "a tab before the version", Text: "GET /\tHTTP/1.1", Want: refused},
		{Name: "a form feed for a space", Text: "GET\f/ HTTP/1.1", Want: refused},
		{Name: "a carriage return for a space", Text: "GET /\rHTTP/1.1", Want: refused},
		{Name: "a method that is no token", Text: "G(T / HTTP/1.1", Want: refused},
		{Name: "a method with a colon", Text: "GET: / HTTP/1.1", Want: refused},
		{Name: "NUL in the method", Text: "G\x00T / HTTP/1.1", Want: refused},
		{Name: "a control in the target", Text: "GET /\x01 HTTP/1.1", Want: refused},
		{Name: "DEL in the target", Text: "GET /\x7f HTTP/1.1", Want: refused},
		{Name: "a carriage return in the target", Text: "GET /\rx HTTP/1.1", Want: refused},
		{Name: "HTTP/0.9 by name", Text: "GET / HTTP/0.9", Want: unknown},
		{Name: "HTTP/1.2", Text: "GET / HTTP/1.2", Want: unknown},
		{Name: "HTTP/1.9", Text: "GET / HTTP/1.9", Want: unknown},
		{Name: "HTTP/2.0", Text: "GET / HTTP/2.0", Want: unknown},
		{Name: "HTTP/3.1", Text: "GET / HTTP/3.1", Want: unknown},
		{Name: "HTTP/1.10", Text: "GET / HTTP/1.10", Want: unknown},
		{Name: "HTTP/01.1", Text: "GET / HTTP/01.1", Want: unknown},
		{Name: "HTTP/11", Text: "GET / HTTP/11", Want: unknown},
		{Name: "HTTP/1", Text: "GET / HTTP/1", Want: unknown},
		{Name: "HTTP/1.", Text: "GET / HTTP/1.", Want: unknown},
		{Name: "HTTP/1,1", Text: "GET / HTTP/1,1", Want: unknown},
		{Name: "HTTP/1.1 with a letter behind it", Text: "GET / HTTP/1.1x", Want: unknown},
		{Name: "HTTP/-1.1", Text: "GET / HTTP/-1.1", Want: unknown},
		{Name: "the version in lower case", Text: "GET / http/1.1", Want: unknown},
		{Name: "the version in mixed case", Text: "GET / Http/1.1", Want: unknown},
		{Name: "another protocol", Text: "GET / ICY/1.1", Want: unknown},
		{Name: "a space within the version", Text: "GET / HTTP/ 1.1", Want: refused},
		{Name: "a longer name of the protocol", Text: "GET / HTTPS/1.1", Want: unknown},
	}}.all()
}

// lineEnds are about CRLF: it ends every line, and neither half of it does.
func lineEnds() []Case {
	return group{"line ends (RFC 9112 2.2)", asIs, []Case{
		{Name: "an empty line before the request may be skipped", Text: "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Want: lenient},
		{Name: "a bare LF before the request", Text: "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Want: refused},
		{Name: "a bare CR before the request", Text: "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", Want: refused},
		{Name: "a bare LF behind the request line", Text: "GET / HTTP/1.1\nHost: a\r\n\r\n", Want: refused},
		{Name: "a bare CR behind the request line", Text: "GET / HTTP/1.1\rHost: a\r\n\r\n", Want: refused},
		{Name: "CR CR LF behind the request line", Text: "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", Want: unknown},
		{Name: "a bare LF behind a field", Text: "GET / HTTP/1.1\r\nHost: a\nX: v\r\n\r\n", Want: refused},
		{Name: "a bare CR behind a field", Text: "GET / HTTP/1.1\r\nHost: a\rX: v\r\n\r\n", Want: refused},
		{Name: "CR CR LF behind a field", Text: "GET / HTTP/1.1\r\nHost: a\r\r\nX: v\r\n\r\n", Want: refused},
		{Name: "LF CR behind a field", Text: "GET / HTTP/1.1\r\nHost: a\n\rX: v\r\n\r\n", Want: refused},
		{Name: "a bare LF at the end", Text: "GET / HTTP/1.1\r\nHost: a\r\n\n", Want: refused},
		{Name: "CR CR LF at the end", Text: "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", Want: refused},
		{Name: "bare LF everywhere", Text: "GET / HTTP/1.1\nHost: a\n\n", Want: refused},
		{Name: "bare LF behind the last field and at the end", Text: "GET / HTTP/1.1\r\nHost: a\n\n", Want: refused},
	}}.all()
}

// inHeader frames field lines within the header of a GET.
func inHeader(lines string) string { return "GET / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n\r\n" }

// fields are about lines of the header.
func fields() []Case {
	long := strings.Repeat("v", 4000)
	return append(group{"field-line (RFC 9112 5)", inHeader, []Case{
		{Name: "name and value", Text: "X: v", Want: reads("GET a / [v] [] ")},
		{Name: "names compare without case", Text: "x: v", Want: reads("GET a / [v] [] ")},
		{Name: "no white space around the value", Text: "X:v", Want: reads("GET a / [v] [] ")},
		{Name: "white space around the value is no part of it", Text: "X: \t v \t ", Want: reads("GET a / [v] [] ")},
		{Name: "white space within the value is part of it", Text: "X: a \tb", Want: reads("GET a / [a \tb] [] ")},
		{Name: "an empty value", Text: "X:", Want: reads("GET a / [] [] ")},
		{Name: "a value of white space is empty", Text: "X:  \t ", Want: reads("GET a / [] [] ")},
		{Name: "lines of one name keep their order", Text: "X: b\r\nY: c\r\nx: a", Want: reads("GET a / [b|a] [] ")},
		{Name: "octets above ASCII stay as they are", Text: "X: \xe4\xff\xc3\xa4", Want: reads("GET a / [\xe4\xff\xc3\xa4] [] ")},
		{Name: "colons in the value", Text: "X: :a:b: c", Want: reads("GET a / [:a:b: c] [] ")},
		{Name: "quotes and commas in the value", Text: `X: "a, b", c="\"d"`, Want: reads(`GET a / ["a, b", c="\"d"] [] `)},
		{Name: "a name of every character of a token", Text: "!#$%&'*+-.^_`|~09azAZ: v\r\nX: w", Want: reads("GET a / [w] [] ")},
		{Name: "a long value", Text: "X: " + long, Want: reads("GET a / [" + long + "] [] ")},
		{Name: "a space before the colon (RFC 9112 5.1)", Text: "X : v", Want: refused},
		{Name: "a tab before the colon (RFC 9112 5.1)", Text: "X\t: v", Want: refused},
		{Name: "no name", Text: ": v", Want: refused},
		{Name: "a space for a name", Text: " : v", Want: refused},
		{Name: "no colon", Text: "X", Want: refused},
		{Name: "no colon, two words", Text: "X v", Want: refused},
		{Name: "a space within the name", Text: "X Y: v", Want: refused},
		{Name: "a name that is no token", Text: "X(Y): v", Want: refused},
		{Name: "a name with an at", Text: "X@Y: v", Want: refused},
		{Name: "a name with a slash", Text: "X/Y: v", Want: refused},
		{Name: "a quoted name", Text: `"X": v`, Want: refused},
		{Name: "a name with an octet above ASCII", Text: "X\xe4: v", Want: refused},
		{Name: "NUL in the name", Text: "X\x00: v", Want: refused},
		{Name: "NUL in the value (RFC 9110 5.5)", Text: "X: a\x00b", Want: refused},
		{Name: "a control in the value (RFC 9110 5.5)", Text: "X: a\x01b", Want: refused},
		{Name: "DEL in the value (RFC 9110 5.5)", Text: "X: a\x7fb", Want: refused},
		{Name: "an escape in the value (RFC 9110 5.5)", Text: "X: \x1b[1m", Want: refused},
		{Name: "CR in the value (RFC 9110 5.5)", Text: "X: a\rb", Want: refused},
		{Name: "folded by a space (RFC 9112 5.2)", Text: "X: a\r\n b", Want: refused},
		{Name: "folded by a tab (RFC 9112 5.2)", Text: "X: a\r\n\tb", Want: refused},
		{Name: "folded to nothing (RFC 9112 5.2)", Text: "X: a\r\n ", Want: refused},
		{Name: "a framing field in a fold (RFC 9112 5.2)", Text: "X: a\r\n Content-Length: 3", Want: refused},
	}}.all(), group{"field-line (RFC 9112 2.2)", asIs, []Case{
		{Name: "a space before the first field", Text: "GET / HTTP/1.1\r\n Host: a\r\n\r\n", Want: refused},
		{Name: "a tab before the first field", Text: "GET / HTTP/1.1\r\n\tX: v\r\nHost: a\r\n\r\n", Want: refused},
		{Name: "a space before the first field, and Host behind it", Text: "GET / HTTP/1.1\r\n X: v\r\nHost: a\r\n\r\n", Want: refused},
		{Name: "a line of white space before the first field", Text: "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", Want: refused},
	}}.all()...)
}

// hosts are about the Host field. A text is whole lines.
func hosts() []Case {
	frame := func(lines string) string { return "GET / HTTP/1.1\r\n" + lines + "\r\n" }
	return group{"Host (RFC 9112 3.2, RFC 9110 7.2)", frame, []Case{
		{Name: "a name", Text: "Host: a.example\r\n", Want: reads("GET a.example / [] [] ")},
		{Name: "a name and a port", Text: "Host: a.example:8080\r\n", Want: reads("GET a.example:8080 / [] [] ")},
		{Name: "an address of IPv4", Text: "Host: 127.0.0.1\r\n", Want: reads("GET 127.0.0.1 / [] [] ")},
		{Name: "an address of IPv6", Text: "Host: [::1]\r\n", Want: reads("GET [::1] / [] [] ")},
		{Name: "an address of IPv6 and a port", Text: "Host: [2001:db8::1]:80\r\n", Want: reads("GET [2001:db8::1]:80 / [] [] ")},
		{Name: "the name of the field in lower case", Text: "host: a\r\n", Want: answered},
		{Name: "behind other fields", Text: "X: v\r\nHost: a\r\n", Want: reads("GET a / [v] [] ")},
		{Name: "none", Text: "", Want: bad},
		{Name: "empty", Text: "Host:\r\n", Want: bad},
		{Name: "white space", Text: "Host:  \r\n", Want: bad},
		{Name: "two", Text: "Host: a\r\nHost: b\r\n", Want: bad},
		{Name: "two that are equal", Text: "Host: a\r\nHost: a\r\n", Want: bad},
		{Name: "two that differ in case", Text: "Host: a\r\nhost: a\r\n", Want: bad},
		{Name: "two, the second one empty", Text: "Host: a\r\nHost:\r\n", Want: bad},
		{Name: "a list", Text: "Host: a, b\r\n", Want: bad},
		{Name: "a path behind it", Text: "Host: a/b\r\n", Want: bad},
		{Name: "a query behind it", Text: "Host: a?b\r\n", Want: bad},
		{Name: "a fragment behind it", Text: "Host: a#b\r\n", Want: bad},
		{Name: "a user before it", Text: "Host: u@a\r\n", Want: bad},
		{Name: "a scheme before it", Text: "Host: http://a\r\n", Want: bad},
		{Name: "a backslash", Text: "Host: a\\b\r\n", Want: bad},
		{Name: "a space", Text: "Host: a b\r\n", Want: bad},
		{Name: "a port that is no number", Text: "Host: a:b\r\n", Want: bad},
		{Name: "two ports", Text: "Host: a:1:2\r\n", Want: bad},
		{Name: "a port with a sign", Text: "Host: a:+1\r\n", Want: bad},
		{Name: "a port alone", Text: "Host: :80\r\n", Want: bad},
		{Name: "an open bracket", Text: "Host: [::1\r\n", Want: bad},
		{Name: "brackets around a name", Text: "Host: [a]\r\n", Want: bad},
		{Name: "something behind the bracket", Text: "Host: [::1]x\r\n", Want: bad},
		{Name: "an escape", Text: "Host: a%20b\r\n", Want: bad},
		{Name: "an octet above ASCII", Text: "Host: \xe4\r\n", Want: bad},
		{Name: "a colon of the field too many", Text: "Host:: a\r\n", Want: bad},
	}}.all()
}
