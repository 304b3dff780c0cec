package compress

import (
	"bytes"

	"github.com/sluiceapi/sluice"
)

// coding is a content coding (RFC 9110, section 8.4.1).
type coding uint8

const (
	identity coding = iota
	gzipped
	zstded
	codings
)

func (c coding) String() string { return [...]string{"identity", "gzip", "zstd"}[c] }

// accepted is the coding that the client likes best. A client that accepts none, not even identity, gets identity:
// that is better than nothing, and RFC 9110, section 12.5.3, leaves it to the server.
func accepted(h *sluice.Header) coding {
	const unsaid = -1
	weights := [codings]int{unsaid, unsaid, unsaid}
	other := unsaid
	for _, f := range h.Fields() {
		if !bytes.EqualFold(f.Name, []byte("Accept-Encoding")) {
			continue
		}
		list := f.Value
		for len(list) > 0 {
			var item []byte
			item, list, _ = bytes.Cut(list, []byte{','})
			name, weight := parseItem(item)
			switch c, known := codingOf(name); {
			case known:
				weights[c] = weight
			case string(name) == "*":
				other = weight
			}
		}
	}
	best, most := identity, weights[identity]
	for _, c := range [...]coding{gzipped, zstded} {
		weight := weights[c]
		if weight == unsaid {
			weight = other
		}
		if weight > 0 && weight >= most {
			best, most = c, weight
		}
	}
	return best
}

func codingOf(name []byte) (coding, bool) {
	switch {
	case bytes.EqualFold(name, []byte("gzip")), bytes.EqualFold(name, []byte("x-gzip")):
		return gzipped, true
	case bytes.EqualFold(name, []byte("zstd")):
		return zstded, true
	case bytes.EqualFold(name, []byte("identity")):
		return identity, true
	}
	return identity, false
}

// parseItem is the name of a coding and its weight in thousandths.
func parseItem(item []byte) (name []byte, weight int) {
	name, parameters, found := bytes.Cut(item, []byte{';'})
	name = trim(name)
	weight = 1000
	for found {
		var p []byte
		p, parameters, found = bytes.Cut(parameters, []byte{';'})
		key, value, _ := bytes.Cut(p, []byte{'='})
		if bytes.EqualFold(trim(key), []byte("q")) {
			weight = parseWeight(trim(value))
		}
	}
	return name, weight
}

// parseWeight reads a qvalue (RFC 9110, section 12.4.2): 0 or 1 with up to three digits behind the point. Anything
// else is 0: what cannot be read is not taken for a wish.
func parseWeight(text []byte) int {
	if len(text) == 0 || len(text) > 5 || text[0] != '0' && text[0] != '1' || len(text) > 1 && text[1] != '.' {
		return 0
	}
	weight, unit := int(text[0]-'0')*1000, 100
	for i := 2; i < len(text); i++ {
		if text[i] < '0' || text[i] > '9' {
			return 0
		}
		weight += int(text[i]-'0') * unit
		unit /= 10
	}
	if weight > 1000 {
		return 0
	}
	return weight
}

func trim(b []byte) []byte { return bytes.Trim(b, " \t") }
