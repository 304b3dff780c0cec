package ratelimit

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/sluiceapi/sluice"
)

// subject makes the key of whom a request is counted for: the name of the policy and a part for each reference, each with
// its length before it, so that no two subjects have one key. What may be a secret, or is long, stands there as a hash.
//
//	9:by_client,9=192.0.2.1
//	6:by_key,#n4bQgYhMfWWaL-qgxVrQFQ,-
//
// Within the process, where nobody else sees keys, addresses stand there as bytes, and only what is long as a hash.
type subject struct {
	prefix []byte
	parts  []part
	within bool
}

type part struct {
	sluice.Reference
	how how
}

// how is the way a part is written.
type how uint8

const (
	// asHash is for what the request says of itself: an API key in a header may be meant.
	asHash how = iota
	// asText is for callers, who are known by name.
	asText
	// asNetwork is for the client's address.
	asNetwork
)

func newSubject(name string, by []sluice.Reference, within bool) subject {
	s := subject{within: within, prefix: append(strconv.AppendInt(nil, int64(len(name)), 10), ":"+name...)}
	for _, r := range by {
		p := part{Reference: r}
		switch first, _, _ := strings.Cut(r.String(), "."); first {
		case "client_ip":
			p.how = asNetwork
		case "caller":
			p.how = asText
		}
		s.parts = append(s.parts, p)
	}
	return s
}

// longest is the most of a value that stands in a key as text.
const longest = 64

func (s *subject) appendKey(key []byte, x *sluice.Exchange) []byte {
	key = append(key, s.prefix...)
	for i := range s.parts {
		p := &s.parts[i]
		if p.how == asNetwork {
			key = s.appendNetwork(key, x)
			continue
		}
		value := p.Value(x)
		if value.IsAbsent() || value.Type() == sluice.Null {
			key = append(key, absent...)
			continue
		}
		start := len(key)
		key = value.AppendText(key)
		if text := key[start:]; p.how == asHash && !s.within || len(text) > longest {
			key = appendHash(key[:start], text)
		} else {
			key = insertLength(key, start)
		}
	}
	return key
}

// absent is the part of all requests that bring no value.
const absent = ",-"

// appendNetwork appends the client's address, or the /64 network of an IPv6 one.
func (s *subject) appendNetwork(key []byte, x *sluice.Exchange) []byte {
	client := x.Request.Client.Unmap().WithZone("")
	if !client.IsValid() {
		return append(key, absent...)
	}
	if s.within {
		if client.Is4() {
			ip := client.As4()
			return append(append(key, ",:"...), ip[:]...)
		}
		ip := client.As16()
		return append(append(key, ",;"...), ip[:customer/8]...)
	}
	start := len(key)
	if client.Is4() {
		return insertLength(client.AppendTo(key), start)
	}
	network, _ := client.Prefix(customer) // only a bad length makes it fail
	return insertLength(network.AppendTo(key), start)
}

// customer is how many bits of an IPv6 address one customer has.
const customer = 64

// insertLength puts a comma, the length and a "=" before what was appended at start.
func insertLength(key []byte, start int) []byte {
	var head [24]byte
	h := append(strconv.AppendInt(append(head[:0], ','), int64(len(key)-start), 10), '=')
	key = append(key, h...)
	copy(key[start+len(h):], key[start:])
	copy(key[start:], h)
	return key
}

// appendHash appends 128 bits of SHA-256 of the text, which may lie in the room after key.
func appendHash(key, text []byte) []byte {
	const bytes = 16
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.AppendEncode(append(key, ",#"...), sum[:bytes])
}
