package sluice

import (
	"context"
	"fmt"
	"reflect"
)

// Policy is a rule around a handler: it answers itself, or calls next, before or after doing something. It is called
// once, when the node is made; what it returns runs for every exchange.
type Policy func(next Handler) Handler

// Backend answers exchanges of endpoints. Handle makes the handler of one endpoint from what the endpoint says of
// it; U is the struct of the endpoint's block. A backend is opened once and shared by endpoints, also by those of
// the node that follows this one after a reload, when its own block did not change.
//
// A Backend may be a Pinger too.
type Backend[U any] interface {
	Handle(env *Env, ep *Endpoint, use *U) (Handler, error)
}

// Pinger is a backend that can find out whether what stands behind it answers now.
type Pinger interface {
	Ping(ctx context.Context) error
}

// ResultMaker is a block of a backend that makes results which references can name: their names, in the order of
// their slots.
type ResultMaker interface{ ResultNames() []string }

// Checker is a block that knows what must hold among its own fields. Mistakes are named with At, several joined
// with errors.Join. It is called after the block was filled, and nothing of it has been bound.
type Checker interface{ Check() error }

// NodeBound is a block that may keep on one node what all nodes of a system need. NodeBound says what that is and
// what to set instead, or "" when nothing is.
type NodeBound interface{ NodeBound() string }

// PeerBound is a block of a policy that lets in those who show a certificate. PassedOn tells whether it also takes
// certificates that trusted proxies pass on. Where the config asks no client for one, and trusts no proxy, nobody could
// ever be let in, which is a mistake.
type PeerBound interface{ PassedOn() bool }

// CallerBound is a block of a policy that may have no use when nobody is known. NeedsCaller tells whether it has none:
// then it is like one whose kind needs the caller.
type CallerBound interface{ NeedsCaller() bool }

// None is the block of a backend that needs no entry under backends.
type None struct{}

// Kind is a sort of policy or backend that YAML can name. It carries its block with the defaults, its rules, its
// manual, and a function that opens it. Kinds are made with NewPolicy and NewBackend.
type Kind struct {
	// Name is the key in YAML.
	Name string
	// Role says what it is.
	Role Role
	// Source is the Go source of the block's structs: the comments of struct and fields are the manual.
	Source string
	// Order holds what it must stand before and after.
	Order []Order
	// Authenticates is set for a policy that finds out who asks; public endpoints leave it out.
	Authenticates bool
	// NeedsCaller is set for a policy that has no use when nobody is known; public endpoints leave it out. A policy
	// that refers to the caller is treated likewise.
	NeedsCaller bool
	// AnswersPreflight is set for the policy that answers CORS preflights.
	AnswersPreflight bool
	// Defers is set for the policy behind which an exchange is served later, on another exchange: all inputs are checked
	// before it, and again behind it. An endpoint has at most one.
	Defers bool
	// Standalone is set for a backend that needs no entry under backends.
	Standalone bool
	// PassesCalls is set for a backend to which the calls of a whole gRPC service can be passed as they come.
	PassesCalls bool

	newWhere    func() any
	newUse      func() any
	openPolicy  func(*Env, *Endpoint, any) (Policy, error)
	openBackend func(*Env, any) (Opened, error)
}

// Role is what a kind is.
type Role uint8

// The roles.
const (
	PolicyRole Role = iota
	BackendRole
)

func (r Role) String() string { return [...]string{"policy", "backend"}[r] }

// Authentication stands in an Order for every kind that finds out who asks.
const Authentication = "authentication"

// Order is a rule between two policy kinds in one list: Kind must stand before, or after, the other, and why.
type Order struct {
	Before bool
	Kind   string
	Why    string
}

// Means tells whether the rule is about that other kind.
func (o Order) Means(other *Kind) bool {
	return o.Kind == other.Name || o.Kind == Authentication && other.Authenticates
}

// Trait sets what is special about a kind.
type Trait func(*Kind)

// Manual gives the Go source that holds the block's structs, for the manual made from their comments. A package
// embeds its own file for it.
func Manual(source string) Trait { return func(k *Kind) { k.Source += source + "\n" } }

// Before says that the kind must stand before another where both are in one list; why completes "because".
func Before(kind, why string) Trait {
	return func(k *Kind) { k.Order = append(k.Order, Order{Before: true, Kind: kind, Why: why}) }
}

// After says that the kind must stand after another where both are in one list; why completes "because".
func After(kind, why string) Trait {
	return func(k *Kind) { k.Order = append(k.Order, Order{Kind: kind, Why: why}) }
}

// Authenticates marks a policy that finds out who asks.
func Authenticates() Trait { return func(k *Kind) { k.Authenticates = true } }

// NeedsCaller marks a policy that has no use when nobody is known.
func NeedsCaller() Trait { return func(k *Kind) { k.NeedsCaller = true } }

// Defers marks the policy behind which an exchange is served later.
func Defers() Trait { return func(k *Kind) { k.Defers = true } }

// AnswersPreflight marks the policy that answers CORS preflights.
func AnswersPreflight() Trait { return func(k *Kind) { k.AnswersPreflight = true } }

// PassesCalls marks a backend to which the calls of a whole gRPC service can be passed as they come: with a route such as
// grpc user.v1.UserService/*, its handler gets the exchange with the path, the header and the body of the call, and makes
// an answer of gRPC, with its trailer.
func PassesCalls() Trait { return func(k *Kind) { k.PassesCalls = true } }

// NewPolicy makes a kind of policy. C is the struct of its block and defaults the values of the keys left out; open
// makes the policy for an endpoint, or for the place around the router, where ep is nil. The references in the block
// are bound when open is called.
//
// The tag `default` is for structs that defaults do not reach: those in lists, in maps and behind pointers.
func NewPolicy[C any](name string, defaults C, open func(*Env, *Endpoint, *C) (Policy, error), traits ...Trait) Kind {
	k := Kind{
		Name: name, Role: PolicyRole,
		newUse: func() any { c := defaults; return &c },
		openPolicy: func(env *Env, ep *Endpoint, block any) (Policy, error) {
			return open(env, ep, block.(*C))
		},
	}
	return k.with(traits)
}

// NewBackend makes a kind of backend. W is the struct of its block under backends, None when there is none; U that
// of the block in an endpoint. open opens it once for all endpoints. Unless W is None, U names the entry under
// backends that it means in a field `Backend string` with the key "backend"; without that field NewBackend panics.
// where and use hold the values of the keys left out, as in NewPolicy.
func NewBackend[W, U any, B Backend[U]](name string, where W, use U, open func(*Env, *W) (B, error), traits ...Trait) Kind {
	_, standalone := any(where).(None)
	if f, found := reflect.TypeFor[U]().FieldByName("Backend"); !standalone && (!found || f.Type.Kind() != reflect.String) {
		panic("sluice: the endpoint's block of the backend " + name + " has no field Backend string")
	}
	k := Kind{
		Name: name, Role: BackendRole, Standalone: standalone,
		newWhere: func() any { w := where; return &w },
		newUse:   func() any { u := use; return &u },
		openBackend: func(env *Env, block any) (Opened, error) {
			b, err := open(env, block.(*W))
			if err != nil {
				return Opened{}, err
			}
			return Opened{Backend: b, handle: func(env *Env, ep *Endpoint, block any) (Handler, error) {
				return b.Handle(env, ep, block.(*U))
			}}, nil
		},
	}
	return k.with(traits)
}

func (k Kind) with(traits []Trait) Kind {
	for _, t := range traits {
		t(&k)
	}
	return k
}

// NewUse is a new block of the kind as it stands in an endpoint or a policy list, with the defaults set: a pointer
// to its struct.
func (k *Kind) NewUse() any { return k.newUse() }

// NewWhere is a new block of the kind as it stands under backends, with the defaults set: a pointer to its struct.
// It is nil for a policy.
func (k *Kind) NewWhere() any {
	if k.newWhere == nil {
		return nil
	}
	return k.newWhere()
}

// OpenPolicy opens a policy with a block from NewUse whose references are bound.
func (k *Kind) OpenPolicy(env *Env, ep *Endpoint, use any) (Policy, error) {
	if k.openPolicy == nil {
		return nil, fmt.Errorf("%s is no policy", k.Name)
	}
	return k.openPolicy(env, ep, use)
}

// OpenBackend opens a backend with a block from NewWhere.
func (k *Kind) OpenBackend(env *Env, where any) (Opened, error) {
	if k.openBackend == nil {
		return Opened{}, fmt.Errorf("%s is no backend", k.Name)
	}
	return k.openBackend(env, where)
}

// BackendName is the name of the entry under backends that a block from NewUse means; empty means the only one of the
// kind.
func (k *Kind) BackendName(use any) string {
	if k.Standalone {
		return ""
	}
	return reflect.ValueOf(use).Elem().FieldByName("Backend").String()
}

// Opened is a backend that is open.
type Opened struct {
	// Backend is what the kind's open returned, to be asked for more, such as Pinger.
	Backend any
	handle  func(*Env, *Endpoint, any) (Handler, error)
}

// Handle makes the handler of an endpoint from its block, made by NewUse, whose references are bound.
func (o *Opened) Handle(env *Env, ep *Endpoint, use any) (Handler, error) {
	return o.handle(env, ep, use)
}
