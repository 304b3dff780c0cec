package battery

import (
	"fmt"
	"strconv"
	"strings"
)

// position is a place in a request where any octet may come to stand.
type position struct {
	name          string
	before, after string
	// fits tells whether the grammar has the octet there.
	fits func(c byte) bool
	// otherwise is the answer where it does not.
	otherwise Want
	// spares are octets that are left out: with them the request asks for more than it holds.
	spares func(c byte) bool
}

// octets are all octets at every kind of position, each with what the grammar says of it.
func octets() (all []Case) {
	for _, p := range positions() {
		for i := range 256 {
			c := byte(i)
			if p.spares != nil && p.spares(c) {
				continue
			}
			one := Case{Name: fmt.Sprintf("octets: %s: %#02x", p.name, c), Text: p.before + string([]byte{c}) + p.after, Want: p.otherwise, once: true}
			one.Mark = markOctet(p.name, c)
			if p.fits(c) {
				one.Want, one.Mark = answered, ""
				if p.name == "before an extension" {
					one.Mark = stricterMark
				}
			}
			all = append(all, one)
		}
	}
	return all
}

func positions() []position {
	const host = "\r\nHost: a\r\n\r\n"
	const head = "GET / HTTP/1.1\r\nHost: a\r\n"
	const post = "POST / HTTP/1.1\r\nHost: a\r\n"
	const coded = post + "Transfer-Encoding: chunked\r\n\r\n"
	const end = "0\r\n\r\n"
	return []position{
		{name: "in the method", before: "G", after: "T / HTTP/1.1" + host, fits: isTokenByte, otherwise: refused},
		{name: "before the method", before: "", after: "GET / HTTP/1.1" + host, fits: isTokenByte, otherwise: refused},
		{name: "between method and target", before: "GET", after: "/ HTTP/1.1" + host, fits: only(" "), otherwise: refused},
		{name: "before the target's slash", before: "GET ", after: "/a HTTP/1.1" + host, fits: nothing, otherwise: bad},
		{name: "in the path", before: "GET /a", after: "b HTTP/1.1" + host, fits: isPathByte, otherwise: bad},
		{name: "in the query", before: "GET /a?b", after: "c HTTP/1.1" + host, fits: isQueryByte, otherwise: bad},
		{name: "between target and version", before: "GET /", after: "HTTP/1.1" + host, fits: only(" "), otherwise: refused},
		{name: "for the first letter of the version", before: "GET / ", after: "TTP/1.1" + host, fits: only("H"), otherwise: unknown},
		{name: "for the slash of the version", before: "GET / HTTP", after: "1.1" + host, fits: only("/"), otherwise: unknown},
		{name: "for the major version", before: "GET / HTTP/", after: ".1" + host, fits: only("1"), otherwise: unknown},
		{name: "for the point of the version", before: "GET / HTTP/1", after: "1" + host, fits: only("."), otherwise: unknown},
		{name: "behind the version", before: "GET / HTTP/1.1", after: host, fits: nothing, otherwise: unknown},
		{name: "for CR behind the request line", before: "GET / HTTP/1.1", after: "\nHost: a\r\n\r\n", fits: only("\r"), otherwise: unknown},
		{name: "for LF behind the request line", before: "GET / HTTP/1.1\r", after: "Host: a\r\n\r\n", fits: only("\n"), otherwise: unknown},
		{name: "first in the header", before: "GET / HTTP/1.1\r\n", after: "X: v\r\nHost: a\r\n\r\n", fits: isTokenByte, otherwise: refused},
		{name: "first in a line", before: head, after: "X: v\r\n\r\n", fits: isTokenByte, otherwise: refused},
		{name: "in a name", before: head + "X", after: "Y: v\r\n\r\n", fits: or(isTokenByte, only(":")), otherwise: refused},
		{name: "before the colon", before: head + "X", after: ": v\r\n\r\n", fits: or(isTokenByte, only(":")), otherwise: refused},
		{name: "behind the colon", before: head + "X:", after: "v\r\n\r\n", fits: isValueByte, otherwise: refused},
		{name: "in a value", before: head + "X: a", after: "b\r\n\r\n", fits: isValueByte, otherwise: refused},
		{name: "last in a value", before: head + "X: a", after: "\r\n\r\n", fits: isValueByte, otherwise: refused},
		{name: "for CR behind a field", before: head + "X: a", after: "\nY: b\r\n\r\n", fits: only("\r"), otherwise: refused},
		{name: "for LF behind a field", before: head + "X: a\r", after: "Y: b\r\n\r\n", fits: only("\n"), otherwise: refused},
		{name: "for CR at the end of the header", before: head, after: "\n", fits: only("\r"), otherwise: refused},
		{name: "in Host", before: "GET / HTTP/1.1\r\nHost: a", after: "b\r\n\r\n", fits: isHostByte, otherwise: bad},
		{name: "before a length", before: post + "Content-Length: ", after: "3\r\n\r\nabc", fits: only(" \t0"), otherwise: refused, spares: between('1', '9')},
		{name: "behind a length", before: post + "Content-Length: 3", after: "\r\n\r\nabc", fits: only(" \t"), otherwise: refused, spares: between('0', '9')},
		{name: "before a coding", before: post + "Transfer-Encoding: ", after: "chunked\r\n\r\n" + end, fits: only(" \t"), otherwise: unknown},
		{name: "in a coding", before: post + "Transfer-Encoding: chun", after: "ked\r\n\r\n" + end, fits: nothing, otherwise: unknown},
		{name: "behind a coding", before: post + "Transfer-Encoding: chunked", after: "\r\n\r\n" + end, fits: only(" \t"), otherwise: unknown},
		{name: "before a chunk's size", before: coded, after: "3\r\nabc\r\n" + end, fits: only("0"), otherwise: refused, spares: isOtherHex},
		{name: "behind a chunk's size", before: coded + "3", after: "\r\nabc\r\n" + end, fits: nothing, otherwise: refused, spares: or(isOtherHex, only("0"))},
		{name: "for CR behind a chunk's size", before: coded + "3", after: "\nabc\r\n" + end, fits: only("\r"), otherwise: refused, spares: or(isOtherHex, only("0"))},
		{name: "for LF behind a chunk's size", before: coded + "3\r", after: "abc\r\n" + end, fits: only("\n"), otherwise: refused},
		{name: "before an extension", before: coded + "3", after: ";a=b\r\nabc\r\n" + end, fits: only(" \t"), otherwise: refused, spares: or(isOtherHex, only("0"))},
		{name: "in the name of an extension", before: coded + "3;a", after: "b\r\nabc\r\n" + end, fits: or(isTokenByte, only("=;")), otherwise: refused},
		{name: "in the value of an extension", before: coded + "3;a=b", after: "c\r\nabc\r\n" + end, fits: or(isTokenByte, only(";")), otherwise: refused},
		{name: "in the quoted value of an extension", before: coded + "3;a=\"b", after: "c\"\r\nabc\r\n" + end, fits: isQuotedByte, otherwise: refused},
		{name: "behind a backslash in an extension", before: coded + "3;a=\"b\\", after: "c\"\r\nabc\r\n" + end, fits: isValueByte, otherwise: refused},
		{name: "behind an extension", before: coded + "3;a=\"b\"", after: "\r\nabc\r\n" + end, fits: nothing, otherwise: refused},
		{name: "for CR behind an extension", before: coded + "3;a", after: "\nabc\r\n" + end, fits: only("\r"), otherwise: refused},
		{name: "for CR behind a chunk's data", before: coded + "3\r\nabc", after: "\n" + end, fits: only("\r"), otherwise: refused},
		{name: "for LF behind a chunk's data", before: coded + "3\r\nabc\r", after: end, fits: only("\n"), otherwise: refused},
		{name: "between the data and its CRLF", before: coded + "3\r\nabc", after: "\r\n" + end, fits: nothing, otherwise: refused},
		{name: "behind the last size", before: coded + "3\r\nabc\r\n0", after: "\r\n\r\n", fits: only("0"), otherwise: refused, spares: isOtherHex},
		{name: "for CR behind the last size", before: coded + "3\r\nabc\r\n0", after: "\n\r\n", fits: only("\r"), otherwise: refused, spares: isOtherHex},
		{name: "for LF behind the last size", before: coded + "3\r\nabc\r\n0\r", after: "\r\n", fits: only("\n"), otherwise: refused},
		{name: "for CR at the end of a body", before: coded + "3\r\nabc\r\n0\r\n", after: "\n", fits: only("\r"), otherwise: refused},
		{name: "first in the trailer", before: coded + "3\r\nabc\r\n0\r\n", after: "T: v\r\n\r\n", fits: isTokenByte, otherwise: refused},
		{name: "in a trailer's name", before: coded + "3\r\nabc\r\n0\r\nT", after: "U: v\r\n\r\n", fits: or(isTokenByte, only(":")), otherwise: refused},
		{name: "before a trailer's colon", before: coded + "3\r\nabc\r\n0\r\nT", after: ": v\r\n\r\n", fits: or(isTokenByte, only(":")), otherwise: refused,
			spares: only("Ee")}, // TE may not trail
		{name: "in a trailer's value", before: coded + "3\r\nabc\r\n0\r\nT: a", after: "b\r\n\r\n", fits: isValueByte, otherwise: refused},
		{name: "for CR behind a trailer", before: coded + "3\r\nabc\r\n0\r\nT: a", after: "\nU: b\r\n\r\n", fits: only("\r"), otherwise: refused},
	}
}

// isTokenByte is tchar of RFC 9110, section 5.6.2.
func isTokenByte(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func isAlphanumeric(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' }

// isValueByte is what may stand in a field's value (RFC 9110, section 5.5), white space included.
func isValueByte(c byte) bool { return c == '\t' || ' ' <= c && c != 0x7f }

// isQuotedByte is what may stand in a quoted string (RFC 9110, section 5.6.4) before a letter: a backslash makes a
// quoted pair with it.
func isQuotedByte(c byte) bool { return isValueByte(c) && c != '"' }

// isPathByte is what passes in a path: no controls, and nothing that two readers could read in two ways. Octets that the
// grammar has escaped (RFC 3986, section 3.3) pass as they are.
func isPathByte(c byte) bool { return isQueryByte(c) && c != '\\' && c != '%' }

// isQueryByte is what passes in a query.
func isQueryByte(c byte) bool { return c > ' ' && c != 0x7f && c != '#' }

// isHostByte is unreserved and sub-delims (RFC 3986, section 3.2.2).
func isHostByte(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("-._~!$&'()*+,;=", c) >= 0
}

func nothing(byte) bool { return false }

func only(these string) func(byte) bool {
	return func(c byte) bool { return strings.IndexByte(these, c) >= 0 }
}

func or(a, b func(byte) bool) func(byte) bool {
	return func(c byte) bool { return a(c) || b(c) }
}

func between(first, last byte) func(byte) bool {
	return func(c byte) bool { return first <= c && c <= last }
}

// isOtherHex are the digits that make another size of one.
func isOtherHex(c byte) bool {
	return '1' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func hexadecimal(n int64) string { return strconv.FormatInt(n, 16) }
