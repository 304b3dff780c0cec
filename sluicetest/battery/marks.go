package battery

// Why net/http answers otherwise. Where it is laxer an engine of our own is not; where it is stricter, both answers are
// those of the RFC.
const (
	bothMark     = "net/http drops the Content-Length beside a Transfer-Encoding (RFC 9112, section 6.3, allows it)"
	equalMark    = "net/http takes equal lengths for one (RFC 9112, section 6.3, allows it)"
	extMark      = "net/http passes over chunk extensions without reading them (RFC 9112, section 7.1.1, allows it)"
	fieldMark    = "net/http takes any field in a trailer section"
	foldMark     = "net/http unfolds lines (RFC 9112, section 5.2, allows it)"
	hastyMark    = "net/http answers a request line that does not come whole with 400"
	hugeMark     = "net/http takes a chunk's size up to 2^64 and waits for the data"
	lfMark       = "net/http takes a bare LF for the end of a line (RFC 9112, section 2.2, allows it)"
	minorMark    = "net/http takes any HTTP/1.x for HTTP/1.1 (RFC 9110, section 2.5, allows it)"
	oldMark      = "net/http ignores Transfer-Encoding on HTTP/1.0"
	prefaceMark  = "net/http looks for the preface of HTTP/2 where there is no TLS, and waits for its first 14 bytes"
	sizeMark     = "net/http takes white space behind a chunk's size"
	spaceMark    = "net/http takes a space before the colon in a trailer section"
	stricterMark = "net/http does not know the white space that may stand before an extension (RFC 9112, section 7.1.1)"
	waitMark     = "net/http waits for CRLF CRLF before it reads a trailer section"
)

// marks are the cases that net/http answers otherwise, by name.
var marks = map[string]string{
	"Content-Length (RFC 9112 6.3, RFC 9110 8.6): folded":                        foldMark,
	"Content-Length (RFC 9112 6.3, RFC 9110 8.6): two that are equal":            equalMark,
	"Transfer-Encoding (RFC 9112 6.1): another coding on HTTP/1.0":               oldMark,
	"Transfer-Encoding (RFC 9112 6.1): folded":                                   foldMark,
	"Transfer-Encoding (RFC 9112 6.1): in another field's fold":                  foldMark,
	"Transfer-Encoding (RFC 9112 6.1): on HTTP/1.0":                              oldMark,
	"Transfer-Encoding (RFC 9112 6.1): on HTTP/1.0 that is to be kept":           oldMark,
	"Transfer-Encoding (RFC 9112 6.1): on HTTP/1.0, with Content-Length":         oldMark,
	"Transfer-Encoding (RFC 9112 6.1): with Content-Length before it":            bothMark,
	"Transfer-Encoding (RFC 9112 6.1): with Content-Length behind it":            bothMark,
	"Transfer-Encoding (RFC 9112 6.1): with Content-Length of zero":              bothMark,
	"Transfer-Encoding (RFC 9112 6.1): with Content-Length that fits the chunks": bothMark,
	"chunk-ext (RFC 9112 7.1.1): NUL in it":                                      extMark,
	"chunk-ext (RFC 9112 7.1.1): a name of two words":                            extMark,
	"chunk-ext (RFC 9112 7.1.1): a quoted value that goes on":                    extMark,
	"chunk-ext (RFC 9112 7.1.1): a quoted value without an end":                  extMark,
	"chunk-ext (RFC 9112 7.1.1): a value that is no token":                       extMark,
	"chunk-ext (RFC 9112 7.1.1): no name":                                        extMark,
	"chunk-ext (RFC 9112 7.1.1): no name before the equals sign":                 extMark,
	"chunk-ext (RFC 9112 7.1.1): no name between two semicolons":                 extMark,
	"chunk-ext (RFC 9112 7.1.1): no value":                                       extMark,
	"chunk-ext (RFC 9112 7.1.1): white space at the end":                         extMark,
	"chunk-ext (RFC 9112 7.1.1): white space before it":                          stricterMark,
	"chunked-body (RFC 9112 7.1): 2^63":                                          hugeMark,
	"chunked-body (RFC 9112 7.1): 2^64-1, which is -1":                           hugeMark,
	"chunked-body (RFC 9112 7.1): CR CR LF at the end":                           waitMark,
	"chunked-body (RFC 9112 7.1): a bare LF at the end":                          waitMark,
	"chunked-body (RFC 9112 7.1): a space behind the last size":                  sizeMark,
	"chunked-body (RFC 9112 7.1): a space behind the size":                       sizeMark,
	"chunked-body (RFC 9112 7.1): a tab behind the size":                         sizeMark,
	"field-line (RFC 9112 5): a framing field in a fold (RFC 9112 5.2)":          foldMark,
	"field-line (RFC 9112 5): folded by a space (RFC 9112 5.2)":                  foldMark,
	"field-line (RFC 9112 5): folded by a tab (RFC 9112 5.2)":                    foldMark,
	"field-line (RFC 9112 5): folded to nothing (RFC 9112 5.2)":                  foldMark,
	"late (RFC 9110 15.5.9): a request line that stops":                          hastyMark,
	"line ends (RFC 9112 2.2): a bare LF at the end":                             lfMark,
	"line ends (RFC 9112 2.2): a bare LF behind a field":                         lfMark,
	"line ends (RFC 9112 2.2): a bare LF behind the request line":                lfMark,
	"line ends (RFC 9112 2.2): bare LF behind the last field and at the end":     lfMark,
	"line ends (RFC 9112 2.2): bare LF everywhere":                               lfMark,
	"request-line (RFC 9112 3): HTTP/1.2":                                        minorMark,
	"request-line (RFC 9112 3): HTTP/1.9":                                        minorMark,
	"trailer-section (RFC 9112 7.1.2): Authorization (RFC 9110 6.5.1)":           fieldMark,
	"trailer-section (RFC 9112 7.1.2): Connection (RFC 9110 6.5.1)":              fieldMark,
	"trailer-section (RFC 9112 7.1.2): Content-Length (RFC 9110 6.5.1)":          fieldMark,
	"trailer-section (RFC 9112 7.1.2): Cookie (RFC 9110 6.5.1)":                  fieldMark,
	"trailer-section (RFC 9112 7.1.2): Host (RFC 9110 6.5.1)":                    fieldMark,
	"trailer-section (RFC 9112 7.1.2): Transfer-Encoding (RFC 9110 6.5.1)":       fieldMark,
	"trailer-section (RFC 9112 7.1.2): a bare LF behind it":                      lfMark,
	"trailer-section (RFC 9112 7.1.2): a space before the colon":                 spaceMark,
	"trailer-section (RFC 9112 7.1.2): folded":                                   foldMark,
}

// markOctet is the mark of an octet at a position where the grammar does not have it.
func markOctet(position string, c byte) string {
	lineEnd := c == '\n' || c == '\r'
	switch position {
	case "first in a line", "last in a value", "behind a length", "first in the trailer":
		if c == '\n' {
			return lfMark
		}
	case "for CR behind a field", "for CR behind a trailer":
		if c == '\n' || isValueByte(c) {
			return lfMark
		}
	case "for CR at the end of the header":
		switch c {
		case '\n':
			return lfMark
		case ' ', '\t', ':':
			return "net/http waits for the end of a line that may go on"
		}
	case "for CR at the end of a body":
		return waitMark
	case "before a trailer's colon", "in a trailer's name":
		if c == ' ' {
			return spaceMark
		}
	case "behind a chunk's size", "behind the last size":
		switch c {
		case ' ', '\t':
			return sizeMark
		case ';':
			return extMark
		}
	case "before an extension":
		if c == ';' {
			return extMark
		}
	case "in the name of an extension", "in the value of an extension", "in the quoted value of an extension",
		"behind a backslash in an extension", "behind an extension":
		if !lineEnd {
			return extMark
		}
	}
	return ""
}
