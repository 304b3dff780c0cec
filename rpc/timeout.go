package rpc

import (
	"math"
	"strconv"
	"time"

	"github.com/sluiceapi/sluice"
)

// ParseTimeout reads Grpc-Timeout (gRPC over HTTP/2, Timeout): at most eight digits and a unit. What is longer than a
// Duration can be is the longest one.
func ParseTimeout(text []byte) (time.Duration, bool) {
	digits := len(text) - 1
	if digits < 1 || digits > 8 {
		return 0, false
	}
	n := int64(0)
	for _, c := range text[:digits] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	for _, u := range timeoutUnits {
		if u.letter == text[digits] {
			if n > math.MaxInt64/int64(u.unit) {
				return math.MaxInt64, true
			}
			return time.Duration(n) * u.unit, true
		}
	}
	return 0, false
}

// Bound has an exchange be over when the client of its call wants that. A timeout that is none is a BadRequest.
func Bound(x *sluice.Exchange) error {
	text := x.Request.Header.Value("Grpc-Timeout")
	if text == nil {
		return nil
	}
	d, ok := ParseTimeout(text)
	if !ok {
		return sluice.Errorf(sluice.BadRequest, nil, "%q is no timeout of gRPC", text)
	}
	if until := x.Start.Add(min(d, maxTimeout)); x.Deadline.IsZero() || until.Before(x.Deadline) {
		x.Deadline = until
	}
	return nil
}

// maxTimeout is the longest timeout that makes a time: longer ones are for ever.
const maxTimeout = 100 * 365 * 24 * time.Hour

var timeoutUnits = [...]struct {
	letter byte
	unit   time.Duration
}{{'n', time.Nanosecond}, {'u', time.Microsecond}, {'m', time.Millisecond}, {'S', time.Second}, {'M', time.Minute}, {'H', time.Hour}}

// AppendTimeout appends a duration as Grpc-Timeout has it, in the finest unit in which it fits; what is left of one is
// dropped, so that nobody waits longer than told. A duration that is over is the shortest one.
func AppendTimeout(dst []byte, d time.Duration) []byte {
	d = max(d, 1)
	for _, u := range timeoutUnits {
		if n := int64(d / u.unit); n < 100_000_000 {
			return append(strconv.AppendInt(dst, n, 10), u.letter)
		}
	}
	return append(dst, "99999999H"...)
}
