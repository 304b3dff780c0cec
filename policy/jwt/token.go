package jwt

import (
	"encoding/base64"
	"strings"
)

// maxToken is how long a token may be, in bytes.
const maxToken = 8 << 10

// maxKeyName is how long the name of a key may be, in bytes.
const maxKeyName = 256

// token is a token in compact form (RFC 7515, section 7.1) whose header has been read, and nothing verified. All of
// it is borrowed.
type token struct {
	// signed is the header and the payload as they were signed; payload and signature are in base64url still.
	signed, payload, signature []byte
	alg                        *algorithm
	kid                        []byte
	hasKid                     bool
	// typ is the header's, as it stands there.
	typ []byte
}

// reader is the memory in which one token is read.
type reader struct {
	token   token
	objects objects
	header  []byte
	decoded []byte
}

// base64url has, for each byte, whether it can stand in a part of a token (RFC 4648, section 5).
var base64url = func() (t [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		t[c] = true
	}
	return t
}()

// read takes a token apart and reads its header. list are the algorithms that can be taken.
func (r *reader) read(raw []byte, list allowed) refusal {
	if len(raw) > maxToken {
		return refusedSize
	}
	dots := [2]int{}
	count := 0
	for i, c := range raw {
		if c == '.' {
			if count == 2 {
				return refusedForm
			}
			dots[count] = i
			count++
		} else if !base64url[c] {
			return refusedForm
		}
	}
	if count != 2 || dots[0] == 0 || dots[1] == dots[0]+1 || dots[1] == len(raw)-1 {
		return refusedForm
	}
	r.token = token{signed: raw[:dots[1]], payload: raw[dots[0]+1 : dots[1]], signature: raw[dots[1]+1:]}
	var ok bool
	if r.header, ok = decode(r.header, raw[:dots[0]]); !ok {
		return refusedBase64
	}
	if !r.objects.read(r.header, maxMembers) {
		return refusedHeader
	}
	return r.token.readHeader(&r.objects, list)
}

// decode decodes base64url into dst. What is not the one way to write its bytes is refused: padding, white space and
// bits that are set beyond the last byte.
func decode(dst, text []byte) ([]byte, bool) {
	for _, c := range text {
		if !base64url[c] { // the decoder skips line ends
			return dst, false
		}
	}
	dst, err := base64.RawURLEncoding.Strict().AppendDecode(dst[:0], text)
	return dst, err == nil
}

// readHeader takes what is used of the header. Keys in it (jwk, x5c) and addresses of keys (jku, x5u) are not used.
func (t *token) readHeader(o *objects, list allowed) refusal {
	for _, m := range o.members {
		text, isText := o.textOf(m.value)
		switch string(m.name) {
		case "alg":
			if t.alg = algorithmOf(text); !isText || t.alg == nil || !list.has(t.alg) {
				return refusedAlgorithm
			}
		case "kid":
			if !isText || len(text) > maxKeyName {
				return refusedHeader
			}
			t.kid, t.hasKid = text, true
		case "typ":
			if !isText {
				return refusedHeader
			}
			t.typ = text
		case "crit", "b64", "zip", "enc":
			return refusedExtension
		}
	}
	if t.alg == nil {
		return refusedAlgorithm
	}
	return ""
}

// typeName is the name of a type of media as it is compared: in lower case, and without "application/" (RFC 7515,
// section 4.1.9).
func typeName(typ []byte) string {
	name := strings.ToLower(string(typ))
	if bare := strings.TrimPrefix(name, "application/"); !strings.Contains(bare, "/") {
		return bare
	}
	return name
}
