package jwt

import (
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
)

// refusal is why a token is refused, for the log; "" when it is not.
type refusal string

// Why tokens are refused. Clients never learn it.
const (
	refusedFields       refusal = "several fields Authorization"
	refusedSize         refusal = "the token is too long"
	refusedForm         refusal = "the token is not three parts of base64url"
	refusedBase64       refusal = "a part of the token is not base64url as it must be written"
	refusedHeader       refusal = "the token's header is not a JSON object as it must be"
	refusedAlgorithm    refusal = "the token's algorithm is none that is taken"
	refusedExtension    refusal = "the token's header asks for an extension (crit, b64, zip or enc)"
	refusedType         refusal = "the token is of another type"
	refusedKeyAlgorithm refusal = "the token's algorithm is not that of its key"
	refusedUnknownKey   refusal = "the token's key is not known"
	refusedNoKey        refusal = "no key fits the token"
	refusedManyKeys     refusal = "the token does not name its key, and several fit"
	refusedSignature    refusal = "the signature is not of the token's key"
	refusedClaims       refusal = "the token's claims are not a JSON object as it must be"
	refusedClaim        refusal = "a claim is not of the type that it must be"
	refusedTime         refusal = "a time in the claims is no number, or out of bounds"
	refusedIssuer       refusal = "the token is of another issuer"
	refusedAudience     refusal = "the token is for another audience"
	refusedExpired      refusal = "the token has expired"
	refusedEarly        refusal = "the token is not valid yet"
	refusedIssued       refusal = "the token is of the future"
	refusedAge          refusal = "the token is too old"
	refusedMissing      refusal = "a claim that is required is missing"
	refusedScope        refusal = "a scope is missing"
	refusedBound        refusal = "the token is bound to a key that the client does not prove to have (cnf)"
	refusedUnusable     refusal = "there is no usable key"
)

// answers are the errors that refused requests get, made once.
type answers struct {
	// missing is for a request without a token, invalid for a bad one, scope for one without a scope, and unusable for
	// any while there are no keys.
	missing, invalid, scope, unusable error
}

func newAnswers(scopes []string) *answers {
	return &answers{
		missing: challenge(sluice.Unauthenticated, "a token is needed", "Bearer"),
		invalid: challenge(sluice.Unauthenticated, "the token is not taken", `Bearer error="invalid_token"`),
		scope: challenge(sluice.Forbidden, "the token's scope does not reach so far",
			`Bearer error="insufficient_scope", scope="`+strings.Join(scopes, " ")+`"`),
		unusable: &sluice.Error{Code: sluice.Unavailable, Message: "tokens cannot be looked at now", RetryAfter: 5 * time.Second},
	}
}

// challenge is an error with WWW-Authenticate (RFC 6750, section 3).
func challenge(code sluice.Code, message, text string) error {
	return &sluice.Error{Code: code, Message: message,
		Header: []sluice.Field{{Name: []byte("WWW-Authenticate"), Value: []byte(text)}}}
}

// to is the answer to a refusal.
func (a *answers) to(why refusal) error {
	switch why {
	case refusedScope:
		return a.scope
	case refusedUnusable:
		return a.unusable
	}
	return a.invalid
}
