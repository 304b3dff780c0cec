package retry

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// retryAfter reads a Retry-After (RFC 9110, section 10.2.3): a number of seconds, or a date. What is neither is nothing.
func retryAfter(value []byte, now time.Time) time.Duration {
	if len(value) == 0 {
		return 0
	}
	text := string(value)
	if '0' <= text[0] && text[0] <= '9' {
		n, err := strconv.ParseUint(text, 10, 64)
		switch {
		case err != nil && n == math.MaxUint64, err == nil && n > uint64(math.MaxInt64/time.Second):
			return math.MaxInt64
		case err != nil:
			return 0
		}
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}
