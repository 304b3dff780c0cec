package cache

import (
	"bytes"
	"time"

	"github.com/sluiceapi/sluice"
)

// unchanged tells whether whoever asks has the answer already, by its entity tag, compared weakly, or where there is no
// tag to compare by its time (RFC 9110, section 13.2.2).
func unchanged(h *sluice.Header, etag []byte, modified time.Time) bool {
	if h.Has("If-None-Match") {
		return listsETag(h, etag)
	}
	if modified.IsZero() || !h.Has("If-Modified-Since") {
		return false
	}
	since, ok := timeOf(h, "If-Modified-Since")
	return ok && !modified.After(since)
}

// listsETag tells whether If-None-Match lists a tag.
func listsETag(h *sluice.Header, etag []byte) bool {
	opaque := bytes.TrimPrefix(etag, []byte("W/"))
	for _, f := range h.Fields() {
		if !sluice.SameToken(f.Name, "If-None-Match") {
			continue
		}
		if string(bytes.Trim(f.Value, " \t")) == "*" {
			return true
		}
		for list := f.Value; ; {
			var listed []byte
			if listed, list = nextETag(list); listed == nil {
				break
			}
			if len(opaque) > 0 && bytes.Equal(listed, opaque) {
				return true
			}
		}
	}
	return false
}

// nextETag takes the first entity tag off a list, without its W/; it is nil when there is none, or what stands there is
// none.
func nextETag(list []byte) (opaque, rest []byte) {
	list = bytes.TrimLeft(list, " \t,")
	list = bytes.TrimPrefix(list, []byte("W/"))
	if len(list) == 0 || list[0] != '"' {
		return nil, nil
	}
	end := bytes.IndexByte(list[1:], '"')
	if end < 0 {
		return nil, nil
	}
	return list[:end+2], list[end+2:]
}

// onlyWhole tells whether a field describes content that an answer of 304 does not have, and does not say which content that
// is (RFC 9110, section 15.4.5).
func onlyWhole(name []byte) bool {
	return sluice.OfContent(name) && !sluice.SameToken(name, "Content-Location") && !sluice.SameToken(name, "ETag") &&
		!sluice.SameToken(name, "Last-Modified")
}
