// Package grpc answers exchanges from gRPC services: it makes a call of the request and JSON of the answer, or passes the
// calls of a whole service on as they come.
package grpc

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/upstream"
)

//go:embed grpc.go
var source string

// Kind is the backend `grpc`.
var Kind = sluice.NewBackend("grpc", Where{
	Timeouts:   Timeouts{Connect: 2 * time.Second, Whole: 30 * time.Second, Stream: 10 * time.Minute},
	MaxMessage: 4 << 20,
	Config:     upstream.Defaults(),
}, Use{}, open, sluice.Manual(source), sluice.Manual(upstream.Manual), sluice.PassesCalls())

// Where is one gRPC service, at one host or several that are equal. Each call goes to one of them, over connections of
// HTTP/2 that many calls share.
//
//	backends:
//	  users:
//	    grpc:
//	      target: users.internal:9090                 # each address of the name is a host
//	      protos: [user.proto]
//	      balance: round_robin
//
// A host that takes no connection is passed over for a while, and the call goes to the next one: nothing of it was sent. A
// host fails that breaks off, is too late, or answers with UNAVAILABLE or with what is no gRPC. Nothing that a host may
// have seen is sent again.
type Where struct {
	// Where the service is, such as users.internal:9090, or several addresses with commas between them. dns:/// may stand
	// before a name, as in other clients of gRPC.
	Target string `yaml:"target" required:"true"`
	// How TLS is spoken, also without anything in it (tls: {}). Left out, it is not: HTTP/2 by prior knowledge.
	TLS *TLS `yaml:"tls"`
	// The .proto files, and descriptor sets (.binpb, .pb, .protoset), that declare the service's methods. They are read
	// again when they change.
	Protos []sluice.Path `yaml:"protos,one"`
	// Whether the service itself is asked what it declares (grpc.reflection), instead of protos: at start, until when the
	// node is not ready, and then every minute. What of an endpoint does not fit shows then, not when the config is checked.
	Reflection bool `yaml:"reflection"`
	upstream.Config
	// Whether hosts are checked, and how. Left out they are judged by what becomes of calls alone.
	Health *Health `yaml:"health"`
	// How long a call may wait for the service.
	Timeouts Timeouts `yaml:"timeouts"`
	// The size of one message, in either direction.
	MaxMessage sluice.Size `yaml:"max_message" min:"1KiB" max:"1GiB"`
}

// Health has every host asked at intervals. Checks ask grpc.health.v1, and a host is well that answers SERVING. Calls go to
// those that are well, or to all when none is.
type Health struct {
	// The service to ask for. Left out, it is asked for all of the host.
	Service string `yaml:"service,short"`
	upstream.Checks
}

// TLS says whom to trust and what to show. The files are read again when they change: new connections use what they hold
// then, and those that were open are closed after their calls. A service's certificate is always verified.
type TLS struct {
	// Certificates of the authorities that are trusted, as a PEM file, instead of the system's.
	CA sluice.Path `yaml:"ca"`
	// The certificate to show to the service, as a PEM file, with those that lead to its authority.
	Cert sluice.Path `yaml:"cert"`
	// The private key of cert, as a PEM file.
	Key sluice.Path `yaml:"key"`
	// The name that the service's certificate must hold, instead of the target's host.
	ServerName string `yaml:"server_name"`
	// The lowest version of TLS that is spoken: "1.2" or "1.3".
	MinVersion string `yaml:"min_version" default:"1.2" enum:"1.2,1.3"`
}

// Timeouts bound what one call may take. The service is told how long the client waits (Grpc-Timeout).
type Timeouts struct {
	// The time to connect, with the handshake of TLS.
	Connect time.Duration `yaml:"connect" min:"1ms"`
	// The time for a call with one message either way. Zero leaves it to the request's own deadline, which holds in any
	// case.
	Whole time.Duration `yaml:"whole" min:"0s"`
	// The longest silence in both directions of a stream.
	Stream time.Duration `yaml:"stream" min:"1s"`
}

// Use makes a call of every request of an endpoint, and JSON of its answer.
//
//	endpoints:
//	  get_user:
//	    route: GET /user/{id}
//	    grpc: {method: user.v1.UserService/GetUser, message: {user_id: "{id}"}}
//
// The answer is proto3 JSON: names in lowerCamelCase, integers of 64 bits as strings, enums by their names, bytes in
// base64, and no field that holds its zero. Of a stream of answers each is a line of its own (application/x-ndjson), sent
// as soon as it comes.
//
// A status that is not OK is a problem with the HTTP status that google.rpc.Code names: NOT_FOUND 404, UNAVAILABLE 503 and
// so on. The problem has the message and the details, those of BadRequest as errors and RetryInfo as Retry-After; of
// UNKNOWN, INTERNAL and DATA_LOSS, which are 500, it has neither. Without an answer of the service the client gets 502, and
// 504 when it is too late.
//
// The fields of the request become metadata, but for those that speak of its connection and its content, and the answer's
// metadata fields of the response.
//
// With routes such as grpc user.v1.UserService/* there is no method, and calls of every sort pass as they come, with
// metadata, trailers and all four kinds of streams.
type Use struct {
	// The name of the service under backends. It may be left out where there is only one of its kind.
	Backend string `yaml:"backend"`
	// The method to call, such as user.v1.UserService/GetUser.
	Method string `yaml:"method"`
	// The fields of the message, by their names, with dots between those of messages in messages (parent.name). Each is
	// JSON with references: "{id}", "{body.tags}", or a map. What a request does not bring is not set.
	//
	// Left out, the message is made as google.api.http has it with body "*": fields are what the request's body (JSON), its
	// query and its path have under their names, the last of them before the others. Each parameter of the path must be a
	// field; of the query, what is no field is passed over.
	Message sluice.Map[sluice.JSONTemplate] `yaml:"message"`
	// Metadata to set. One whose value is empty is removed. What a name that ends in -bin has is base64.
	Metadata sluice.Map[sluice.Template] `yaml:"metadata"`
}

// Check refuses a target that cannot be asked.
func (w *Where) Check() error {
	errs := []error{w.Config.Check()}
	if _, err := parseTarget(w.Target); err != nil {
		errs = append(errs, sluice.At("target", err))
	}
	if w.Reflection && len(w.Protos) > 0 {
		errs = append(errs, sluice.At("reflection", errors.New("protos say already what the service declares; want one of the two")))
	}
	return errors.Join(errs...)
}

// Check refuses half of a pair.
func (t *TLS) Check() error {
	if (t.Cert == "") != (t.Key == "") {
		return errors.New("cert and key come together")
	}
	return nil
}

// Check refuses what no call can have.
func (u *Use) Check() error {
	errs := []error{sluice.CheckFields("metadata", u.Metadata)}
	for _, m := range u.Metadata {
		if sluice.CheckFieldName(m.Name) == nil && !metadataName(m.Name) {
			errs = append(errs, sluice.At("metadata."+m.Name, fmt.Errorf("%s is set by gRPC itself", m.Name)))
		}
	}
	if u.Method == "" && len(u.Message) > 0 {
		errs = append(errs, sluice.At("message", errors.New("there is no method for it; want method too")))
	}
	return errors.Join(errs...)
}

// parseTarget reads the addresses of a target.
func parseTarget(text string) (all []upstream.Target, err error) {
	for part := range strings.SplitSeq(text, ",") {
		t, err := parseAddress(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

func parseAddress(text string) (t upstream.Target, err error) {
	text = strings.TrimPrefix(text, "dns:///")
	if scheme, _, found := strings.Cut(text, "://"); found {
		return t, fmt.Errorf("%s is no scheme of a target; want host and port such as users.internal:9090, with tls: {} for TLS", scheme)
	}
	host, port, err := net.SplitHostPort(strings.TrimPrefix(text, "dns:"))
	if err != nil || host == "" || strings.ContainsAny(host, "/@ ") {
		return t, fmt.Errorf("%q is not host and port; want them such as users.internal:9090", text)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return t, fmt.Errorf("port %q; want one from 1 to 65535", port)
	}
	return upstream.Target{Name: host, Port: uint16(n)}, nil
}
