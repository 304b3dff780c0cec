// Package clientcert finds out who asks by the certificate that a caller shows.
package clientcert

import (
	_ "embed"
	"fmt"
	"time"

	"github.com/sluiceapi/sluice"
)

//go:embed config.go
var source string

// kind is the name of the kind, and the scheme of the callers that it finds.
const kind = "client_cert"

// Kind is the policy `client_cert`.
var Kind = sluice.NewPolicy(kind, Config{Revoked: Revoked{OnUnavailable: deny}}, open, sluice.Manual(source), sluice.Authenticates(),
	sluice.Before("jwt", "a token can be bound to a certificate, which must have been verified, and says more of who asks"),
	sluice.Before("cache", "what is kept would be given to callers that are not let in"),
	sluice.Before("async", "the connection on which the certificate was shown is gone when the job runs"))

func open(env *sluice.Env, _ *sluice.Endpoint, c *Config) (sluice.Policy, error) {
	key, err := c.key()
	if err != nil {
		return nil, err
	}
	judge, err := sluice.Share(env, key, func(env *sluice.Env) (*judge, error) {
		j, follower, err := openJudge(env.Log, c)
		if err == nil {
			env.Cleanup(follower.Close)
		}
		return j, err
	})
	if err != nil {
		return nil, err
	}
	refused := countRefusals(env.Metrics)
	return func(next sluice.Handler) sluice.Handler {
		return &handler{judge: judge, refused: refused, now: env.Now, next: next}
	}, nil
}

type handler struct {
	judge   *judge
	refused *[reasons]sluice.Counter
	now     func() time.Time
	next    sluice.Handler
}

// Serve sets the caller of the exchange, or refuses it.
func (h *handler) Serve(x *sluice.Exchange) error {
	r, now := &x.Request, h.now()
	v, passedOn := &none, h.judge.Forwarded && r.TrustedPeer
	switch {
	case passedOn:
		v = h.judge.judgePassed(&r.Header, now)
	case r.Peer != nil:
		v = h.judge.judge(r.Peer, r.PeerChain, now)
	}
	if v.refusal != nil {
		h.refused[v.reason].Add(1)
		return v.refusal
	}
	x.Caller = v.caller
	if passedOn {
		r.Peer, r.PeerChain = v.leaf, nil
	}
	return h.next.Serve(x)
}

// none is the verdict where there is no certificate. RFC 9110, section 11.6.1, wants a challenge with every 401; no
// scheme is registered for certificates, and clients pass over those that they do not know.
var none = verdict{reason: missing, refusal: &sluice.Error{Code: sluice.Unauthenticated, Message: "a client certificate is needed",
	Header: []sluice.Field{{Name: []byte("WWW-Authenticate"), Value: []byte("ClientCertificate")}}}}

// forbidden is a refusal. Its cause is for the log.
func forbidden(cause error) error {
	return &sluice.Error{Code: sluice.Forbidden, Message: "this client certificate is not let in", Err: fmt.Errorf("%s: %w", kind, cause)}
}

// reason is why a caller is refused, as metrics tell it.
type reason uint8

const (
	missing reason = iota
	unreadable
	expired
	untrusted
	revoked
	unavailable
	unfit
	reasons // how many there are
)

func (r reason) String() string {
	return [...]string{"missing", "unreadable", "expired", "untrusted", "revoked", "unavailable", "unfit"}[r]
}

func countRefusals(m sluice.Metrics) *[reasons]sluice.Counter {
	var counts [reasons]sluice.Counter
	for i := range counts {
		counts[i] = m.Counter("sluice_client_cert_refusals_total", "Requests that were refused for their client certificate, by reason.",
			sluice.Label{Name: "reason", Value: reason(i).String()})
	}
	return &counts
}
