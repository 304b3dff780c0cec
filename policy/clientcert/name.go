package clientcert

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// name is a distinguished name (X.501): its relative names, the most significant first, each of one or more
// attributes.
type name []relativeName

type relativeName []attribute

// attribute is a type with its value: text, or the DER of a value that is none.
type attribute struct {
	oid  string
	text string
	der  string
}

// types are the attributes that are written by a name: those of RFC 4514, section 3, and what else is common.
var types = [...]struct{ name, oid string }{
	{"CN", "2.5.4.3"}, {"L", "2.5.4.7"}, {"ST", "2.5.4.8"}, {"O", "2.5.4.10"}, {"OU", "2.5.4.11"}, {"C", "2.5.4.6"},
	{"STREET", "2.5.4.9"}, {"DC", "0.9.2342.19200300.100.1.25"}, {"UID", "0.9.2342.19200300.100.1.1"},
	{"SN", "2.5.4.4"}, {"serialNumber", "2.5.4.5"}, {"title", "2.5.4.12"}, {"postalCode", "2.5.4.17"},
	{"givenName", "2.5.4.42"}, {"organizationIdentifier", "2.5.4.97"}, {"emailAddress", "1.2.840.113549.1.9.1"},
}

// derAttribute and those around it are what the DER of a name holds. The suffix SET is how encoding/asn1 is told.
type derAttribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

type derRelativeNameSET []derAttribute

// nameOf reads the DER of a name, as certificates hold it.
func nameOf(der []byte) (name, error) {
	var sequence []derRelativeNameSET
	rest, err := asn1.Unmarshal(der, &sequence)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, errors.New("more stands behind the name")
	}
	var n name
	for _, set := range sequence {
		var r relativeName
		for _, a := range set {
			value := attribute{oid: a.Type.String()}
			if rest, err := asn1.Unmarshal(a.Value.FullBytes, &value.text); err != nil || len(rest) > 0 || !utf8.ValidString(value.text) {
				value.text, value.der = "", string(a.Value.FullBytes)
			}
			r = append(r, value)
		}
		n = append(n, r)
	}
	return n, nil
}

// parseName reads a name as RFC 4514 writes it.
func parseName(text string) (name, error) {
	var n name
	p := &nameParser{rest: text}
	for {
		var r relativeName
		for {
			a, err := p.attribute()
			if err != nil {
				return nil, fmt.Errorf("%q is not a subject: %w; want one such as CN=billing,OU=Services,O=Example", text, err)
			}
			r = append(r, a)
			if !p.skip('+') {
				break
			}
		}
		n = append(n, r)
		if !p.skip(',') {
			break
		}
	}
	slices.Reverse(n)
	return n, nil
}

type nameParser struct{ rest string }

func (p *nameParser) skip(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *nameParser) attribute() (a attribute, err error) {
	word, rest, found := strings.Cut(p.rest, "=")
	if !found {
		return a, errors.New("a part has no =")
	}
	if a.oid = oidOf(word); a.oid == "" {
		return a, fmt.Errorf("%q is no type of attribute", word)
	}
	p.rest = rest
	if p.skip('#') {
		return a, p.hex(&a)
	}
	a.text, err = p.text()
	return a, err
}

// hex reads a value that is given as the hex digits of its DER.
func (p *nameParser) hex(a *attribute) error {
	end := strings.IndexAny(p.rest, ",+")
	if end < 0 {
		end = len(p.rest)
	}
	der, err := hex.DecodeString(p.rest[:end])
	if err != nil {
		return errors.New("what stands behind # is not in hex")
	}
	p.rest = p.rest[end:]
	var raw asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &raw); err != nil || len(rest) > 0 {
		return errors.New("what stands behind # is not the DER of one value")
	}
	if rest, err := asn1.Unmarshal(der, &a.text); err != nil || len(rest) > 0 || !utf8.ValidString(a.text) {
		a.text, a.der = "", string(der)
	}
	return nil
}

// special are the characters that are escaped by a backslash alone.
const special = ` "#+,;<=>\`

func (p *nameParser) text() (string, error) {
	var b strings.Builder
	i := 0
	for ; i < len(p.rest) && p.rest[i] != ',' && p.rest[i] != '+'; i++ {
		c := p.rest[i]
		switch {
		case c == '\\':
			escaped, size, err := unescape(p.rest[i+1:])
			if err != nil {
				return "", err
			}
			b.WriteByte(escaped)
			i += size
		case c == 0 || strings.IndexByte(`";<>`, c) >= 0:
			return "", fmt.Errorf("%q stands in a value without a backslash before it", c)
		case c == ' ' && (i == 0 || i+1 == len(p.rest) || p.rest[i+1] == ',' || p.rest[i+1] == '+'):
			return "", errors.New("a value begins or ends with a space that has no backslash before it")
		default:
			b.WriteByte(c)
		}
	}
	p.rest = p.rest[i:]
	if !utf8.ValidString(b.String()) {
		return "", errors.New("a value is not UTF-8")
	}
	return b.String(), nil
}

// unescape reads what stands behind a backslash: one of the special characters, or two hex digits.
func unescape(text string) (c byte, size int, err error) {
	if text != "" && strings.IndexByte(special, text[0]) >= 0 {
		return text[0], 1, nil
	}
	if len(text) >= 2 {
		if pair, err := hex.DecodeString(text[:2]); err == nil {
			return pair[0], 2, nil
		}
	}
	return 0, 0, errors.New("what stands behind a backslash is neither a special character nor two hex digits")
}

// oidOf is the object identifier of an attribute's type, "" when there is none.
func oidOf(word string) string {
	for _, t := range types {
		if strings.EqualFold(t.name, word) {
			return t.oid
		}
	}
	parts := strings.Split(word, ".")
	for _, part := range parts {
		if part == "" || strings.Trim(part, "0123456789") != "" || len(part) > 1 && part[0] == '0' {
			return ""
		}
	}
	if len(parts) < 2 {
		return ""
	}
	return word
}

// String is the name as RFC 4514 writes it.
func (n name) String() string {
	var b strings.Builder
	for i := len(n) - 1; i >= 0; i-- {
		if i < len(n)-1 {
			b.WriteByte(',')
		}
		for j, a := range n[i] {
			if j > 0 {
				b.WriteByte('+')
			}
			a.write(&b)
		}
	}
	return b.String()
}

func (a attribute) write(b *strings.Builder) {
	word := a.oid
	for _, t := range types {
		if t.oid == a.oid {
			word = t.name
		}
	}
	b.WriteString(word)
	b.WriteByte('=')
	if a.der != "" {
		b.WriteByte('#')
		b.WriteString(hex.EncodeToString([]byte(a.der)))
		return
	}
	for i := range len(a.text) {
		c := a.text[i]
		switch {
		case c < ' ' || c == 0x7f, c == ' ' && (i == 0 || i == len(a.text)-1):
			fmt.Fprintf(b, `\%02X`, c)
			continue
		case strings.IndexByte(`"+,;<>\`, c) >= 0, c == '#' && i == 0:
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
}

// equal tells whether two names are the same: part by part, letter by letter. Within one part the order says nothing.
func (n name) equal(other name) bool {
	return slices.EqualFunc(n, other, func(a, b relativeName) bool {
		return len(a) == len(b) && !slices.ContainsFunc(a, func(v attribute) bool { return count(a, v) != count(b, v) })
	})
}

func count(r relativeName, wanted attribute) (n int) {
	for _, a := range r {
		if a == wanted {
			n++
		}
	}
	return n
}
