package sluice

import (
	"fmt"
	"strings"
)

// Endpoint is what a config says of one endpoint that its policies and its backend may want to know.
type Endpoint struct {
	// Name is the endpoint's name in the file: in logs, metric labels and stored exchanges.
	Name string
	// Routes are its routes as written, such as "GET /api/products/{id}".
	Routes []string
	// Public endpoints are served to callers that nobody knows.
	Public bool
	// Authenticated is set when a policy of the endpoint, or one around the router, finds out who asks.
	Authenticated bool
	// Inputs are the declared inputs and, as required strings, the path parameters that are not declared. A
	// Reference keeps an index into it.
	Inputs []Input
	// Headers are the names of the fields of the request that its blocks refer to.
	Headers []string
	// Int64Text has integers of 64 bits written as JSON strings.
	Int64Text bool
}

// ReadOnly tells whether only GET requests (and HEAD, which is a GET without a body) reach the endpoint. Calls of gRPC
// come as the requests that they stand for: those of the endpoint's other routes, where it has some.
func (e *Endpoint) ReadOnly() bool {
	others := false
	for _, route := range e.Routes {
		switch method, _, _ := strings.Cut(route, " "); method {
		case "GET", "HEAD":
			others = true
		case "grpc":
		default:
			return false
		}
	}
	return others || len(e.Routes) == 0
}

// Input declares one value that a request brings. Values come as text and are read as the type says.
type Input struct {
	Name string `yaml:"-"`
	// Where the value stands: path, query or header. A name of the route is in the path without being told.
	In string `yaml:"in" enum:"path,query,header"`
	// What it is read as: string, integer, number or boolean.
	Type ValueType `yaml:"type"`
	// A request without it gets a 400. A value in the path is always there.
	Required bool `yaml:"required"`
	// What stands for it in a request without it.
	Default *Scalar `yaml:"default"`
	// The least value of a number, or the least length of a string in characters.
	Min *float64 `yaml:"min"`
	// The greatest value of a number, or the greatest length of a string in characters.
	Max *float64 `yaml:"max"`
	// A regular expression (RE2) that the whole of a string must match.
	Pattern string `yaml:"pattern"`
	// The only values that are taken.
	Enum []Scalar `yaml:"enum"`
}

// Scalar is the text of any YAML scalar: a string, a number or a boolean as it is written.
type Scalar string

// UnmarshalText reads the name of a type: string, integer, number or boolean.
func (t *ValueType) UnmarshalText(text []byte) error {
	for _, known := range []ValueType{Text, Integer, Number, Boolean} {
		if known.String() == string(text) {
			*t = known
			return nil
		}
	}
	return fmt.Errorf("unknown type %q; want string, integer, number or boolean", text)
}

// MarshalText is the name of the type.
func (t ValueType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
