// Package compose is the backend that makes one answer of the answers of several backends.
package compose

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluiceapi/sluice"
)

//go:embed compose.go
var source string

// Kind is the kind of compose.
var Kind = sluice.NewBackend("compose", sluice.None{}, Use{}, open, sluice.Manual(source))

// Use makes one answer of several. Parts are asked at the same time, but for those that need the answer of another. The
// answer is 200 with JSON. Of the parts' header fields it has Vary alone, and it says Cache-Control: no-store where one of
// them sets a cookie or says no-store, no-cache or private. Otherwise a cache policy says how long it may be kept.
//
// The answer of a part is a result of its name, which the parts that need it, json and respond can refer to: {user.name}.
// It must be JSON; an empty one is null. Each part sees the request and its body. It is asked as a GET is where the request
// is a HEAD, and without the fields that make a request conditional, ask for a range, for a compressed answer or for
// another protocol.
//
// When a part fails, by a status of 300 or above or without an answer, the others are called off and its answer is the
// endpoint's, with its status, header and body; of several that failed at once, that of the first in the list. What a part
// that was called off has changed already stays changed.
//
// A part that is optional, or has a fallback, fails alone: then the answer has the field Degraded-Parts with the names of
// such parts, and Cache-Control: no-store. What refers to an optional part that failed is not asked and fails too, so it
// must be optional or have a fallback; with a fallback for the first it is asked with that.
type Use struct {
	// The answers that are asked for.
	Parts []Part `yaml:"parts" required:"true"`
	// The answer. Without it, it is an object of the parts by their names.
	JSON sluice.JSONTemplate `yaml:"json"`
}

// Part is one of the answers.
type Part struct {
	// The name of the answer, in references and in the object that is the endpoint's answer.
	As string `yaml:"as" required:"true"`
	// The parts that must have answered before this one is asked. Those that its references name are needed without being
	// listed.
	Needs []string `yaml:"needs,one"`
	// The endpoint answers without this part when it fails: it is null then, and parts that refer to it fail too.
	Optional bool `yaml:"optional"`
	// What stands for the answer of the part when it fails, as JSON, also in parts that refer to it.
	Fallback sluice.RawJSON `yaml:"fallback"`
	// The longest time that the part may take. Zero is as long as the endpoint may.
	Timeout time.Duration `yaml:"timeout" min:"0s"`
	// The backend that answers: one block, named by its kind, as in an endpoint.
	Backend sluice.Nested `yaml:",kind"`
}

// maxParts bounds the calls that one request makes at once.
const maxParts = 32

// Check wants names that can be told apart, and that needs name.
func (u *Use) Check() error {
	var errs []error
	if len(u.Parts) > maxParts {
		errs = append(errs, sluice.At("parts", fmt.Errorf("there are %d parts; want at most %d", len(u.Parts), maxParts)))
	}
	names := u.ResultNames()
	for i, p := range u.Parts {
		at := func(key string, err error) error { return sluice.At(fmt.Sprintf("parts[%d].%s", i, key), err) }
		switch {
		case !sluice.ValidName(p.As):
			errs = append(errs, at("as", fmt.Errorf("%q is no name; want letters, digits, - and _, and a letter first", p.As)))
		case slices.Contains(names[:i], p.As):
			errs = append(errs, at("as", fmt.Errorf("another part is called %s; want two names", p.As)))
		}
		for j, need := range p.Needs {
			key := fmt.Sprintf("needs[%d]", j)
			switch {
			case need == p.As:
				errs = append(errs, at(key, errors.New("a part cannot need itself")))
			case !slices.Contains(names, need):
				errs = append(errs, at(key, unknown(need, names)))
			}
		}
		if p.Optional && p.Fallback != nil {
			errs = append(errs, at("optional", errors.New("a part with a fallback is optional already; want one of the two")))
		}
	}
	return errors.Join(errs...)
}

func unknown(name string, names []string) error {
	if near := sluice.Nearest(name, names); near != "" {
		return fmt.Errorf("there is no part %q; did you mean %s?", name, near)
	}
	return fmt.Errorf("there is no part %q", name)
}

// ResultNames are the names of the parts.
func (u *Use) ResultNames() []string {
	names := make([]string, len(u.Parts))
	for i := range u.Parts {
		names[i] = u.Parts[i].As
	}
	return names
}

// Nested are the backends of the parts.
func (u *Use) Nested() []*sluice.Nested {
	all := make([]*sluice.Nested, len(u.Parts))
	for i := range u.Parts {
		all[i] = &u.Parts[i].Backend
	}
	return all
}

type backend struct{}

func open(*sluice.Env, *sluice.None) (backend, error) { return backend{}, nil }

// Handle makes the handler of an endpoint.
func (backend) Handle(env *sluice.Env, ep *sluice.Endpoint, use *Use) (sluice.Handler, error) {
	plan, err := newPlan(use)
	if err != nil {
		return nil, err
	}
	h := &handler{plan: plan, json: use.JSON, limit: env.MaxBody, now: env.Now, log: env.Log}
	for i := range use.Parts {
		p := &use.Parts[i]
		h.parts = append(h.parts, part{
			name: p.As, span: "part " + p.As, handler: p.Backend.Handler, timeout: p.Timeout, alone: p.failsAlone(), instead: p.Fallback,
			failed: env.Metrics.Counter("sluice_compose_parts_failed_total", "Parts of composed answers that failed.",
				sluice.Label{Name: "endpoint", Value: ep.Name}, sluice.Label{Name: "part", Value: p.As}),
		})
	}
	if use.JSON.IsZero() {
		h.object = objectKeys(use.ResultNames())
	}
	return h, nil
}

// failsAlone tells whether the endpoint answers also when the part fails.
func (p *Part) failsAlone() bool { return p.Optional || p.Fallback != nil }

// objectKeys are the texts before the values of an object.
func objectKeys(names []string) [][]byte {
	keys := make([][]byte, len(names))
	for i, name := range names {
		keys[i] = append(sluice.AppendJSONString([]byte{"{,"[min(i, 1)]}, []byte(name)), ':')
	}
	return keys
}
