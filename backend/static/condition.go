package static

import (
	"bytes"
	"time"

	"github.com/sluiceapi/sluice"
)

// timeFormat is IMF-fixdate (RFC 9110, section 5.6.7).
const timeFormat = "Mon, 02 Jan 2006 15:04:05 GMT"

// verdict is what the conditions of a request come to.
type verdict uint8

const (
	wanted verdict = iota
	unchanged
	failed
)

// judge weighs the conditions of a request in the order of RFC 9110, section 13.2.2.
func judge(x *sluice.Exchange, tag []byte, changed time.Time) verdict {
	h := &x.Request.Header
	reads := x.Request.Method == "GET" || x.Request.Method == "HEAD"
	if h.Has("If-Match") {
		if !anyTag(h, "If-Match", tag, true) {
			return failed
		}
	} else if since, ok := timeOf(h, "If-Unmodified-Since"); ok && changedAfter(changed, since) {
		return failed
	}
	if h.Has("If-None-Match") {
		switch {
		case !anyTag(h, "If-None-Match", tag, false):
			return wanted
		case reads:
			return unchanged
		}
		return failed
	}
	if since, ok := timeOf(h, "If-Modified-Since"); ok && reads && !changedAfter(changed, since) {
		return unchanged
	}
	return wanted
}

// rangeHolds tells whether a Range is to be looked at: a part is only good to who has the other parts of the same
// file (RFC 9110, section 13.1.5).
func rangeHolds(h *sluice.Header, tag []byte, changed time.Time) bool {
	if h.Count("Range") != 1 {
		return false
	}
	condition := h.Value("If-Range")
	if condition == nil {
		return true
	}
	if bytes.HasPrefix(condition, []byte(`"`)) {
		return bytes.Equal(condition, tag)
	}
	since, ok := timeOf(h, "If-Range")
	return ok && !weak(tag) && changed.Truncate(time.Second).Equal(since)
}

// changedAfter compares in whole seconds, which is all that a field can say.
func changedAfter(changed, since time.Time) bool { return changed.Truncate(time.Second).After(since) }

func timeOf(h *sluice.Header, name string) (time.Time, bool) {
	if h.Count(name) != 1 {
		return time.Time{}, false
	}
	text := string(h.Value(name))
	for _, format := range [...]string{timeFormat, "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
		if t, err := time.Parse(format, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func weak(tag []byte) bool { return bytes.HasPrefix(tag, []byte("W/")) }

// anyTag tells whether one of the tags in the fields of that name is the file's. Compared strongly, a weak one is
// equal to none (RFC 9110, section 8.8.3.2).
func anyTag(h *sluice.Header, name string, tag []byte, strongly bool) bool {
	if strongly && weak(tag) {
		tag = nil
	}
	opaque := bytes.TrimPrefix(tag, []byte("W/"))
	for _, f := range h.Fields() {
		if !bytes.EqualFold(f.Name, []byte(name)) {
			continue
		}
		if string(bytes.Trim(f.Value, " \t")) == "*" {
			return true
		}
		list := f.Value
		for {
			var listed []byte
			var isWeak, ok bool
			if listed, isWeak, list, ok = nextTag(list); !ok {
				break
			}
			if len(tag) > 0 && bytes.Equal(listed, opaque) && !(strongly && isWeak) {
				return true
			}
		}
	}
	return false
}

// nextTag takes the first entity tag off a list; ok is false when there is none, or what stands there is none.
func nextTag(list []byte) (opaque []byte, isWeak bool, after []byte, ok bool) {
	list = bytes.TrimLeft(list, " \t,")
	list, isWeak = bytes.CutPrefix(list, []byte("W/"))
	if len(list) == 0 || list[0] != '"' {
		return nil, false, nil, false
	}
	end := bytes.IndexByte(list[1:], '"')
	if end < 0 {
		return nil, false, nil, false
	}
	return list[:end+2], isWeak, list[end+2:], true
}
