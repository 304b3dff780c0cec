package battery

import "strings"

// persistence is about what a request says of its connection.
func persistence() []Case {
	return append(group{"persistence (RFC 9112 9.3)", inHeader, []Case{
		{Name: "HTTP/1.1 is kept", Text: "X: v", Want: answered},
		{Name: "keep-alive is kept", Text: "Connection: keep-alive", Want: answered},
		{Name: "an option that nobody knows is kept", Text: "Connection: x", Want: answered},
		{Name: "an empty Connection is kept", Text: "Connection:", Want: answered},
		{Name: "a list of nothing is kept", Text: "Connection: ,, ,", Want: answered},
		{Name: "a longer word than close is kept", Text: "Connection: closed", Want: answered},
		{Name: "close", Text: "Connection: close", Want: leaves},
		{Name: "options compare without case", Text: "connection: CLOSE", Want: leaves},
		{Name: "close in a list", Text: "Connection: x, close", Want: leaves},
		{Name: "close before keep-alive", Text: "Connection: close, keep-alive", Want: leaves},
		{Name: "close behind keep-alive", Text: "Connection: keep-alive,close", Want: leaves},
		{Name: "close in the second of two lines", Text: "Connection: x\r\nConnection: close", Want: leaves},
		{Name: "close in the first of two lines", Text: "Connection: close\r\nConnection: x", Want: leaves},
		{Name: "close with white space around it", Text: "Connection: x\t,\t close \t,y", Want: leaves},
		{Name: "Proxy-Connection says nothing", Text: "Proxy-Connection: close", Want: answered},
		{Name: "a Connection that names Host", Text: "Connection: Host", Want: bad},
		{Name: "a Connection that names Host in a list", Text: "Connection: keep-alive, host", Want: bad},
		{Name: "a Connection that names Content-Length", Text: "Connection: content-length", Want: bad},
		{Name: "a Connection that names Transfer-Encoding", Text: "Connection: x,transfer-encoding", Want: bad},
		{Name: "a Connection that names Authorization", Text: "Connection: AUTHORIZATION", Want: bad},
		{Name: "a Connection that names Cookie", Text: "Connection: Cookie", Want: bad},
		{Name: "a Connection that names Host in the second of two lines", Text: "Connection: x\r\nConnection: Host", Want: bad},
		{Name: "a Connection that names a field of the client's own", Text: "Connection: y\r\nY: w\r\nX: v", Want: reads("GET a / [v] [] ")},
	}}.all(), group{"persistence (RFC 9112 9.3)", asIs, []Case{
		{Name: "HTTP/1.0 is closed", Text: "GET / HTTP/1.0\r\nHost: a\r\n\r\n", Want: leaves},
		{Name: "HTTP/1.0 with close is closed", Text: "GET / HTTP/1.0\r\nHost: a\r\nConnection: close\r\n\r\n", Want: leaves},
		{Name: "HTTP/1.0 with keep-alive may be kept", Text: "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", Want: Want{status: []int{200}, then: either}},
		{Name: "HTTP/1.0 without Host", Text: "GET / HTTP/1.0\r\n\r\n", Want: Want{status: []int{200, 400}, then: closed}},
		{Name: "close with a body", Text: "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", Want: leaves},
		{Name: "close with a body in chunks", Text: "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", Want: leaves},
	}}.all()...)
}

// targets are about the target: one canonical form, and nothing that can be read in two ways.
func (t *Target) targets() []Case {
	scheme, other := "http", "https"
	if t.TLS != nil {
		scheme, other = other, scheme
	}
	frame := func(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n" }
	read := func(target string) Want { return reads("GET a " + target + " [] [] ") }
	return append(group{"origin-form (RFC 9112 3.2.1)", frame, []Case{
		{Name: "a path", Text: "/a/b", Want: read("/a/b")},
		{Name: "a path that ends in a slash is another", Text: "/a/", Want: read("/a/")},
		{Name: "every character of a segment", Text: "/-._~!$&'()*+,;=:@09azAZ", Want: read("/-._~!$&'()*+,;=:@09azAZ")},
		{Name: "a query", Text: "/a?b=c&d", Want: read("/a?b=c&d")},
		{Name: "a query that is empty", Text: "/a?", Want: Want{status: []int{200}}},
		{Name: "a query is not touched", Text: "/?%zz&%2e%2e//../%00;a=b|\"%", Want: read("/?%zz&%2e%2e//../%00;a=b|\"%")},
		{Name: "a query with another question mark", Text: "/a?b?c", Want: read("/a?b?c")},
		{Name: "an escape of an unreserved character is decoded (RFC 3986 6.2.2.2)", Text: "/%61%2D%7e", Want: read("/a-~")},
		{Name: "digits of an escape are upper case (RFC 3986 6.2.2.1)", Text: "/%c3%a4", Want: read("/%C3%A4")},
		{Name: "an escape of a reserved character stays", Text: "/a%3Bb%3f%23%25", Want: read("/a%3Bb%3F%23%25")},
		{Name: "an escape of an escape stays", Text: "/%252e%252e", Want: read("/%252e%252e")},
		{Name: "dots within a segment", Text: "/a..b/...", Want: read("/a..b/...")},
		{Name: "a segment that begins with dots", Text: "/..;a", Want: read("/..;a")},
		{Name: "a dot segment", Text: "/a/./b", Want: bad},
		{Name: "a double-dot segment", Text: "/a/../b", Want: bad},
		{Name: "a double-dot segment at the end", Text: "/a/..", Want: bad},
		{Name: "a dot segment at the end", Text: "/a/.", Want: bad},
		{Name: "a double-dot segment first", Text: "/../a", Want: bad},
		{Name: "a double-dot segment escaped", Text: "/a/%2e%2e/b", Want: bad},
		{Name: "a double-dot segment half escaped", Text: "/a/.%2E/b", Want: bad},
		{Name: "an empty segment", Text: "/a//b", Want: bad},
		{Name: "an empty first segment", Text: "//a", Want: bad},
		{Name: "an escaped slash", Text: "/a%2fb", Want: bad},
		{Name: "an escaped slash in upper case", Text: "/a%2Fb", Want: bad},
		{Name: "an escaped backslash", Text: "/a%5cb", Want: bad},
		{Name: "a backslash", Text: "/a\\b", Want: bad},
		{Name: "an escaped NUL", Text: "/a%00", Want: bad},
		{Name: "an escape of one digit", Text: "/a%4", Want: bad},
		{Name: "an escape of none", Text: "/a%", Want: bad},
		{Name: "an escape that is none", Text: "/a%zz", Want: bad},
		{Name: "an escape with a sign", Text: "/a%+1", Want: bad},
		{Name: "a fragment", Text: "/a#b", Want: bad},
		{Name: "a fragment in the query", Text: "/a?b#c", Want: bad},
		{Name: "no slash first", Text: "a/b", Want: bad},
		{Name: "a query alone", Text: "?a", Want: bad},
		{Name: "a fragment alone", Text: "#a", Want: bad},
	}}.all(), append(group{"absolute-form (RFC 9112 3.2.2)", frame, []Case{
		{Name: "its authority replaces Host", Text: scheme + "://b:80/x?y", Want: reads("GET b:80 /x?y [] [] ")},
		{Name: "no path is the root", Text: scheme + "://b", Want: reads("GET b / [] [] ")},
		{Name: "no path and a query", Text: scheme + "://b?y", Want: reads("GET b /?y [] [] ")},
		{Name: "the scheme compares without case", Text: strings.ToUpper(scheme) + "://b/", Want: reads("GET b / [] [] ")},
		{Name: "its path has one canonical form too", Text: scheme + "://b/%7e", Want: reads("GET b /~ [] [] ")},
		{Name: "a dot segment in it", Text: scheme + "://b/../c", Want: bad},
		{Name: "the scheme of another connection", Text: other + "://b/", Want: bad},
		{Name: "another scheme", Text: "ftp://b/", Want: bad},
		{Name: "a scheme without authority", Text: scheme + ":/b", Want: bad},
		{Name: "an empty authority", Text: scheme + ":///x", Want: bad},
		{Name: "a user in it", Text: scheme + "://u@b/", Want: bad},
		{Name: "a user and a password in it", Text: scheme + "://u:p@b/", Want: bad},
		{Name: "a port that is no number", Text: scheme + "://b:x/", Want: bad},
		{Name: "a fragment in it", Text: scheme + "://b/#x", Want: bad},
		{Name: "a backslash for a slash", Text: scheme + ":\\\\b/", Want: bad},
		{Name: "white space before it", Text: "\t" + scheme + "://b/", Want: refused},
	}}.all(), group{"authority-form and asterisk-form (RFC 9112 3.2.3, 3.2.4)", asIs, []Case{
		{Name: "OPTIONS *", Text: "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Want: Want{status: []int{200, 204, 404}}},
		{Name: "GET *", Text: "GET * HTTP/1.1\r\nHost: a\r\n\r\n", Want: bad},
		{Name: "OPTIONS with two asterisks", Text: "OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n", Want: bad},
		{Name: "GET of an authority", Text: "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", Want: bad},
		{Name: "CONNECT", Text: "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", Want: bad},
		{Name: "CONNECT of a path", Text: "CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n", Want: bad},
		{Name: "CONNECT of a URL", Text: "CONNECT " + scheme + "://a/ HTTP/1.1\r\nHost: a\r\n\r\n", Want: bad},
		{Name: "absolute-form without Host", Text: "GET " + scheme + "://b/ HTTP/1.1\r\n\r\n", Want: bad},
		{Name: "absolute-form with two Hosts", Text: "GET " + scheme + "://b/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Want: bad},
		{Name: "absolute-form with a bad Host", Text: "GET " + scheme + "://b/ HTTP/1.1\r\nHost: a b\r\n\r\n", Want: bad},
	}}.all()...)...)
}

// options are about what a request asks for beside its answer.
func options() []Case {
	const body = "Content-Length: 3\r\n\r\nabc"
	return append(group{"Expect (RFC 9110 10.1.1)", asIs, []Case{
		{Name: "100-continue, with the body sent along", Text: "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n" + body, Want: reads("POST a / [] [] abc")},
		{Name: "100-continue compares without case", Text: "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n" + body, Want: reads("POST a / [] [] abc")},
		{Name: "100-continue without a body", Text: "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", Want: answered},
		{Name: "100-continue of HTTP/1.0 is passed over", Text: "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n" + body, Want: leaves},
		{Name: "an expectation that nobody knows", Text: "GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", Want: Want{status: []int{200, 400, 417}, then: either}},
	}}.all(), group{"Upgrade (RFC 9110 7.8)", inHeader, []Case{
		{Name: "h2c is passed over", Text: "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk", Want: reads("GET a / [] [] ")},
		{Name: "h2c beside websocket is passed over", Text: "Connection: Upgrade\r\nUpgrade: websocket, h2c", Want: answered},
		{Name: "a protocol that nobody knows is passed over", Text: "Connection: Upgrade\r\nUpgrade: x/1", Want: answered},
		{Name: "websocket that Connection does not name is passed over", Text: "Upgrade: websocket", Want: answered},
		{Name: "TLS is passed over (RFC 2817)", Text: "Connection: Upgrade\r\nUpgrade: TLS/1.0", Want: answered},
		{Name: "a Connection that names an Upgrade that is not there", Text: "Connection: Upgrade", Want: answered},
	}}.all()...)
}

// sizes are about bounds.
func (t *Target) sizes() []Case {
	path := func(n int64) string { return "/" + strings.Repeat("a", int(n)-1) }
	target := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n" }
	counted := func(n int64) string { return strings.Repeat("b", int(n)) }
	head := "POST / HTTP/1.1\r\nHost: a\r\n"
	return group{"sizes (RFC 9110 15.5, RFC 6585 5)", asIs, []Case{
		{Name: "a long target", Text: target(path(t.MaxHeader / 2)), Want: answered},
		{Name: "a long field", Text: inHeader("X: " + counted(t.MaxHeader/2)), Want: answered},
		{Name: "a hundred fields", Text: inHeader(strings.Repeat("Y: v\r\n", 100) + "X: v"), Want: reads("GET a / [v] [] ")},
		{Name: "a target that is too long", Text: target(path(t.MaxHeader + 100)), Want: Want{status: []int{414}, then: either}},
		{Name: "a target that is far too long", Text: target(path(4*t.MaxHeader + 64<<10)), Want: Want{status: []int{414, 431}, then: closed}},
		{Name: "a field that is too long", Text: inHeader("X: " + counted(t.MaxHeader+100)), Want: Want{status: []int{431}, then: either}},
		{Name: "a field that is far too long", Text: inHeader("X: " + counted(4*t.MaxHeader+64<<10)), Want: Want{status: []int{431}, then: closed}},
		{Name: "a name that is far too long", Text: inHeader(counted(4*t.MaxHeader+64<<10) + ": v"), Want: Want{status: []int{431}, then: closed}},
		{Name: "too many fields", Text: inHeader(strings.Repeat("Y: v\r\n", int(t.MaxHeader)) + "X: v"), Want: Want{status: []int{431}, then: closed}},
		{Name: "a method that is far too long", Text: counted(4*t.MaxHeader+64<<10) + " / HTTP/1.1\r\nHost: a\r\n\r\n", Want: Want{status: []int{400, 414, 431, 501}, then: closed}},
		{Name: "a body as long as it may be", Text: head + "Content-Length: " + decimal(t.MaxBody) + "\r\n\r\n" + counted(t.MaxBody), Want: answered},
		{Name: "a body that is too long by its length", Text: head + "Content-Length: " + decimal(t.MaxBody+1) + "\r\n\r\n" + counted(t.MaxBody+1), Want: Want{status: []int{413}, then: closed}},
		{Name: "a length far beyond, and no body", Text: head + "Content-Length: 9223372036854775807\r\n\r\n", Want: Want{status: []int{413}, then: closed},
			once: true}, /* it takes time: the server waits a little for the body */
		{Name: "a body in chunks that is too long", Text: inChunks(hexadecimal(t.MaxBody+1) + "\r\n" + counted(t.MaxBody+1) + "\r\n0\r\n\r\n"), Want: Want{status: []int{413}, then: closed}},
		{Name: "a body in chunks as long as it may be", Text: inChunks(hexadecimal(t.MaxBody) + "\r\n" + counted(t.MaxBody) + "\r\n0\r\n\r\n"), Want: answered},
	}}.all()
}

// cuts are requests whose client goes away in the middle: it ends what it sends, and waits for an answer.
func cuts() []Case {
	return group{"cut off (RFC 9112 8)", asIs, []Case{
		{Name: "within the request line", Text: "GET / HT", Want: cut},
		{Name: "behind the request line", Text: "GET / HTTP/1.1\r\n", Want: cut},
		{Name: "within a field", Text: "GET / HTTP/1.1\r\nHost: a\r\nX: ", Want: cut},
		{Name: "before the empty line", Text: "GET / HTTP/1.1\r\nHost: a\r\n", Want: cut},
		{Name: "within the empty line", Text: "GET / HTTP/1.1\r\nHost: a\r\n\r", Want: cut},
		{Name: "before a body", Text: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", Want: cut},
		{Name: "within a body", Text: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab", Want: cut},
		{Name: "before the first chunk", Text: inChunks(""), Want: cut},
		{Name: "within a chunk's size", Text: inChunks("3"), Want: cut},
		{Name: "behind a chunk's size", Text: inChunks("3\r\n"), Want: cut},
		{Name: "within a chunk", Text: inChunks("3\r\nab"), Want: cut},
		{Name: "behind a chunk's data", Text: inChunks("3\r\nabc"), Want: cut},
		{Name: "before the last chunk", Text: inChunks("3\r\nabc\r\n"), Want: cut},
		{Name: "behind the last chunk's size", Text: inChunks("3\r\nabc\r\n0\r\n"), Want: cut},
		{Name: "within the trailer", Text: inChunks("3\r\nabc\r\n0\r\nT: v\r\n"), Want: cut},
		{Name: "within the last line end", Text: inChunks("3\r\nabc\r\n0\r\n\r"), Want: cut},
	}}.all()
}
