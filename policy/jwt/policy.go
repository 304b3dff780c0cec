package jwt

import (
	"github.com/sluiceapi/sluice"
)

// open makes the policy for one endpoint. What verifies is shared by all blocks with the same keys.
func open(env *sluice.Env, _ *sluice.Endpoint, c *Config) (sluice.Policy, error) {
	v, err := sluice.Share(env, c.shareKey(), func(env *sluice.Env) (*verifier, error) { return openVerifier(env, c) })
	if err != nil {
		return nil, err
	}
	rules, answers, strip := newRules(c), newAnswers(c.Scopes), c.Forward == forwardNone
	return func(next sluice.Handler) sluice.Handler {
		return &handler{verifier: v, rules: rules, answers: answers, strip: strip, next: next}
	}, nil
}

type handler struct {
	verifier *verifier
	rules    *rules
	answers  *answers
	strip    bool
	next     sluice.Handler
}

const (
	authorization = "Authorization"
	scheme        = "jwt"
)

// Serve lets in an exchange with a good token.
func (h *handler) Serve(x *sluice.Exchange) error {
	value, fields := credentials(&x.Request.Header)
	raw, found := bearer(value)
	if !found && fields <= 1 {
		return h.answers.missing
	}
	c, why := (*claims)(nil), refusedFields
	if fields == 1 {
		c, why = h.claims(x, raw)
	}
	if why != "" {
		h.verifier.refuse(x, why)
		return h.answers.to(why)
	}
	x.Caller = sluice.Caller{Scheme: scheme, Issuer: c.issuer, Subject: c.subject, Claims: c.json}
	if h.strip {
		x.Request.Header.Del(authorization)
	}
	return h.next.Serve(x)
}

// credentials is the first field Authorization, and how many there are.
func credentials(h *sluice.Header) (first []byte, fields int) {
	for _, f := range h.Fields() {
		if sluice.SameToken(f.Name, authorization) {
			if fields++; fields == 1 {
				first = f.Value
			}
		}
	}
	return first, fields
}

func (h *handler) claims(x *sluice.Exchange, raw []byte) (*claims, refusal) {
	now := x.Now(h.verifier.now)
	c, why := h.verifier.claims(x, raw, now)
	if why == "" {
		if why = h.rules.check(c, now.Unix()); why == "" && !c.provedBy(x.Request.Peer) {
			why = refusedBound
		}
	}
	return c, why
}

// bearer is the token in a field Authorization (RFC 6750, section 2.1); found is false when it is of another scheme.
func bearer(value []byte) (token []byte, found bool) {
	const name = "Bearer "
	if len(value) < len(name) || !sluice.SameToken(value[:len(name)], name) {
		return nil, false
	}
	token = value[len(name):]
	for len(token) > 0 && token[0] == ' ' {
		token = token[1:]
	}
	return token, len(token) > 0
}
