package cache

import (
	"bytes"
	"strconv"
	"time"

	"github.com/sluiceapi/sluice"
)

// control is what an answer says of how it may be kept (RFC 9111, section 5.2.2).
type control struct {
	// never is set by no-store, no-cache, private and must-understand, and by what cannot be read.
	never bool
	// public lets everybody have what was answered to one who showed who they are.
	public bool
	// strict forbids to give the answer when it is stale.
	strict bool
	// life is how long the answer is fresh; less than zero where it does not say.
	life time.Duration
	// stale is how long it may be given after that; less than zero where it does not say.
	stale time.Duration
}

// readControl reads Cache-Control. A directive that comes twice with two values, or with one that is no number of
// seconds, makes the answer one that is not kept: to take it for fresh would be a guess.
func readControl(h *sluice.Header) control {
	c := control{life: -1, stale: -1}
	age, shared := time.Duration(-1), time.Duration(-1)
	for _, f := range h.Fields() {
		if !sluice.SameToken(f.Name, "Cache-Control") {
			continue
		}
		for list := f.Value; ; {
			name, value, rest, ok := nextDirective(list)
			if !ok {
				c.never = true
				break
			}
			if name == nil {
				break
			}
			list = rest
			switch {
			case sluice.SameToken(name, "no-store"), sluice.SameToken(name, "no-cache"), sluice.SameToken(name, "private"),
				sluice.SameToken(name, "must-understand"):
				c.never = true
			case sluice.SameToken(name, "public"):
				c.public = true
			case sluice.SameToken(name, "must-revalidate"), sluice.SameToken(name, "proxy-revalidate"):
				c.strict = true
			case sluice.SameToken(name, "max-age"):
				c.never = !once(&age, value) || c.never
			case sluice.SameToken(name, "s-maxage"):
				c.strict = true
				c.never = !once(&shared, value) || c.never
			case sluice.SameToken(name, "stale-while-revalidate"):
				c.never = !once(&c.stale, value) || c.never
			}
		}
	}
	if c.life = age; shared >= 0 {
		c.life = shared
	}
	return c
}

// once takes a number of seconds, which may come again if it is the same.
func once(to *time.Duration, value []byte) bool {
	d, ok := deltaSeconds(value)
	if !ok || *to >= 0 && *to != d {
		return false
	}
	*to = d
	return true
}

// maxDelta is what larger numbers are taken for (RFC 9111, section 1.2.2).
const maxDelta = 1 << 31

// deltaSeconds reads a number of seconds (RFC 9111, section 1.2.2).
func deltaSeconds(text []byte) (time.Duration, bool) {
	if len(text) == 0 {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || n > maxDelta {
		n = maxDelta
	}
	return time.Duration(n) * time.Second, true
}

// nextDirective takes the first directive off a list: its name, nil at the end, and its value without quotes. It is not
// ok where the list is none (RFC 9110, section 5.6).
func nextDirective(list []byte) (name, value, rest []byte, ok bool) {
	list = bytes.TrimLeft(list, " \t,")
	end := 0
	for end < len(list) && sluice.ValidFieldName(list[end:end+1]) {
		end++
	}
	if end == 0 {
		return nil, nil, nil, len(list) == 0
	}
	name, list = list[:end], list[end:]
	if len(list) > 0 && list[0] == '=' {
		if value, list, ok = nextValue(list[1:]); !ok {
			return nil, nil, nil, false
		}
	}
	list = bytes.TrimLeft(list, " \t")
	if len(list) > 0 && list[0] != ',' {
		return nil, nil, nil, false
	}
	return name, value, list, true
}

// nextValue takes a token or a quoted string off a text. What a string escapes stays escaped.
func nextValue(text []byte) (value, rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '"' {
		end := 0
		for end < len(text) && sluice.ValidFieldName(text[end:end+1]) {
			end++
		}
		return text[:end], text[end:], end > 0
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return text[1:i], text[i+1:], true
		}
	}
	return nil, nil, false
}
