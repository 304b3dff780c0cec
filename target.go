package sluice

// Target splits a request target in origin form (RFC 9112, section 3.2.1) into the canonical path and the query
// as it came, without its "?". dst is memory for the path where it differs from what came; it may be nil.
//
// The canonical form is made once and is what is routed, logged, used as a key and forwarded: escapes of
// unreserved characters are decoded and the digits of other escapes are upper case, which RFC 3986, section
// 6.2.2, calls equal. Nothing else is ever changed. Where two readers could see two paths the target is refused
// with BadRequest: dot segments, empty segments, escaped slashes, backslashes and NUL, raw controls, bad escapes.
func Target(dst, target []byte) (path, query []byte, err error) {
	if len(target) == 0 || target[0] != '/' {
		return nil, nil, badTarget("it must start with a slash")
	}
	end := len(target)
	clean := true
	for i, c := range target {
		if c == '?' {
			end, query = i, target[i+1:]
			break
		}
		clean = clean && c != '%'
	}
	for _, c := range query {
		if c <= ' ' || c == 0x7f || c == '#' {
			return nil, nil, badTarget("its query holds a character that must be escaped")
		}
	}
	path = target[:end:end]
	if !clean {
		if path, err = canonical(dst[:0], path); err != nil {
			return nil, nil, err
		}
	}
	if err := checkSegments(path); err != nil {
		return nil, nil, err
	}
	return path, query, nil
}

func canonical(dst, path []byte) ([]byte, error) {
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c != '%' {
			dst = append(dst, c)
			continue
		}
		if i+2 >= len(path) || unhex(path[i+1]) < 0 || unhex(path[i+2]) < 0 {
			return nil, badTarget("it holds a bad escape")
		}
		b := byte(unhex(path[i+1])<<4 | unhex(path[i+2]))
		switch {
		case b == '/' || b == '\\' || b == 0:
			return nil, badTarget("it holds an escaped slash, backslash or NUL")
		case unreserved(b):
			dst = append(dst, b)
		default:
			dst = append(dst, '%', upperHex[b>>4], upperHex[b&15])
		}
		i += 2
	}
	return dst, nil
}

// checkSegments refuses what another reader might take for another path. A trailing slash is an empty last
// segment and is allowed: "/a/" and "/a" are two paths.
func checkSegments(path []byte) error {
	start := 1
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			if c := path[i]; c <= ' ' || c == 0x7f || c == '\\' || c == '#' {
				return badTarget("it holds a character that must be escaped")
			}
			continue
		}
		seg := path[start:i]
		if len(seg) == 0 && i < len(path) {
			return badTarget("it holds an empty segment")
		}
		if len(seg) == 1 && seg[0] == '.' || len(seg) == 2 && seg[0] == '.' && seg[1] == '.' {
			return badTarget("it holds a dot segment")
		}
		start = i + 1
	}
	return nil
}

func badTarget(why string) error {
	return &Error{Code: BadRequest, Message: "the path cannot be read in one way only: " + why}
}

const upperHex = "0123456789ABCDEF"

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// AppendSegment appends text escaped as one path segment (RFC 3986, section 3.3).
func AppendSegment(dst, text []byte) []byte { return appendEscaped(dst, text, false) }

// AppendPath appends text escaped as several segments: its slashes stay.
func AppendPath(dst, text []byte) []byte { return appendEscaped(dst, text, true) }

func appendEscaped(dst, text []byte, slashes bool) []byte {
	for _, c := range text {
		if unreserved(c) || slashes && c == '/' || pathSafe(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// pathSafe are the sub-delims, ":" and "@", which stand in a segment as they are.
func pathSafe(c byte) bool {
	switch c {
	case '!', '$', '&', '\'', '(', ')', '*', '+', ',', ';', '=', ':', '@':
		return true
	}
	return false
}

// unescape appends text with its percent escapes decoded; a bad escape stays as it is. With plus, "+" is a space,
// as in a query.
func unescape(dst, text []byte, plus bool) []byte {
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '+' && plus:
			c = ' '
		case c == '%' && i+2 < len(text) && unhex(text[i+1]) >= 0 && unhex(text[i+2]) >= 0:
			c = byte(unhex(text[i+1])<<4 | unhex(text[i+2]))
			i += 2
		}
		dst = append(dst, c)
	}
	return dst
}
