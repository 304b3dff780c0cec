package job

import (
	"math/rand/v2"
	"time"
)

// Lost is what becomes of a running job whose lease ran out: its state, the time until its next attempt, and why. crash is
// that time after the first crash; it doubles with each.
func Lost(j *Job, crash time.Duration) (to State, after time.Duration, reason string) {
	switch {
	case j.CancelRequested:
		return Cancelled, 0, ""
	case j.Crashes+1 >= MaxCrashes || j.Attempt >= j.MaxAttempts:
		return Dead, 0, Crashed
	}
	return Ready, crash << j.Crashes, Crashed
}

// Backoff is the time before the next attempt after one that failed: random from zero to base doubled with each attempt
// before, at most limit (full jitter), and never less than least, which is what the backend asked for.
func Backoff(attempt int, base, limit, least time.Duration) time.Duration {
	most := limit
	if shift := attempt - 1; shift < 32 && base < limit>>shift {
		most = base << shift
	}
	return max(least, rand.N(most+1))
}

// Retryable tells whether an answer of a status may be better next time.
func Retryable(status int) bool {
	switch status {
	case 408, 425, 429:
		return true
	}
	return status >= 500 && status != 501 && status != 505
}
