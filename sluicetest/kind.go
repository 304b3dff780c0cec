package sluicetest

import (
	"errors"

	"github.com/sluiceapi/sluice"
)

// CallerKind is the policy `test_caller`, which sets the caller to what its block says, without asking.
var CallerKind = sluice.NewPolicy("test_caller", caller{Issuer: "test"}, openCaller, sluice.Authenticates())

type caller struct {
	// Who vouches for the caller.
	Issuer string `yaml:"issuer"`
	// The caller's name.
	Subject string `yaml:"subject" required:"true"`
	// What is said of the caller.
	Claims sluice.RawJSON `yaml:"claims"`
}

func openCaller(_ *sluice.Env, _ *sluice.Endpoint, c *caller) (sluice.Policy, error) {
	who := sluice.Caller{Scheme: "test_caller", Issuer: c.Issuer, Subject: c.Subject, Claims: c.Claims}
	return func(next sluice.Handler) sluice.Handler {
		return sluice.HandlerFunc(func(x *sluice.Exchange) error {
			x.Caller = who
			return next.Serve(x)
		})
	}, nil
}

// HandlerKind is a standalone backend `test_handler` that answers with handlers of the test, by name.
func HandlerKind(handlers map[string]sluice.Handler) sluice.Kind {
	open := func(*sluice.Env, *sluice.None) (handlerBackend, error) { return handlers, nil }
	return sluice.NewBackend("test_handler", sluice.None{}, handlerUse{}, open)
}

type handlerUse struct {
	// The handler's name.
	Name string `yaml:"name" required:"true"`
	// References that the endpoint uses, for a test that looks at them.
	Uses []sluice.Reference `yaml:"uses"`
}

type handlerBackend map[string]sluice.Handler

func (b handlerBackend) Handle(_ *sluice.Env, _ *sluice.Endpoint, use *handlerUse) (sluice.Handler, error) {
	h, ok := b[use.Name]
	if !ok {
		return nil, sluice.At("name", errors.New("the test has no such handler"))
	}
	return h, nil
}
