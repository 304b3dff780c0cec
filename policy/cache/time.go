package cache

import (
	"time"

	"github.com/sluiceapi/sluice"
)

// timeOf is the time in a field that stands once (RFC 9110, section 5.6.7).
func timeOf(h *sluice.Header, name string) (time.Time, bool) {
	if h.Count(name) != 1 {
		return time.Time{}, false
	}
	return parseTime(h.Value(name))
}

func parseTime(text []byte) (time.Time, bool) {
	for _, format := range [...]string{"Mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
		if t, err := time.Parse(format, string(text)); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
