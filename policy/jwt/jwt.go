// Package jwt lets requests in by the signed tokens that they bring (JSON Web Tokens, RFC 7519).
//
// It verifies with Go's own crypto packages and reads tokens and keys itself, since what is left of a JOSE library
// beneath the checks of RFC 8725 is nothing but the call of crypto.
package jwt

import (
	_ "embed"
	"time"

	"github.com/sluiceapi/sluice"
)

//go:embed config.go
var source string

// Kind is the policy `jwt`.
var Kind = sluice.NewPolicy("jwt", Config{
	Required: []string{"sub"}, Skew: 30 * time.Second, Forward: forwardNone,
	OnStart: startWait, Cooldown: 10 * time.Second, MaxStale: 24 * time.Hour, Cache: 32 << 20,
}, open, sluice.Authenticates(), sluice.Manual(source),
	sluice.Before("jwt", "the first takes the token out of the request, so a second finds none; want one, and authorize for what it lets in"),
	sluice.Before("cache", "an answer that is kept would go to callers that nobody has looked at"),
	sluice.Before("retry", "it takes the token out of the request, so a second try would find none"),
	sluice.Before("async", "what runs later brings no token any more, and strangers could fill the queue"))
