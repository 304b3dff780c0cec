package config

import (
	_ "embed"
	"errors"
	"net/netip"
	"time"

	"github.com/sluiceapi/sluice"
)

// Manual is the Go source of the structs below: their comments are the manual of the file's own keys.
//
//go:embed file.go
var Manual string

// File is one whole config: what a node serves, to whom, and from where.
type File struct {
	// The version of this file's language: 1.
	Sluice int `yaml:"sluice" required:"true" enum:"1"`
	// More files to read, relative to this one. Their entries stand beside the ones here.
	Include []sluice.Path `yaml:"include"`
	// How many nodes run this file. With more than one, whatever is kept on one node alone is an error.
	Nodes int `yaml:"nodes" default:"1" min:"1"`
	// Where the node listens.
	Listen Listen `yaml:"listen"`
	// The addresses or networks of proxies whose word on the client counts: X-Forwarded-For and X-Forwarded-Proto, or
	// Forwarded; and Client-Cert, for the policy client_cert.
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`
	// What nodes share.
	State State `yaml:"state"`
	// Logs, metrics and traces.
	Observe Observe `yaml:"observe"`
	// Where answers come from, by the user's names. Each is opened once and shared by endpoints.
	Backends sluice.Map[Backend] `yaml:"backends" names:"name"`
	// What gRPC routes name: .proto files, which are compiled when the node is made, and descriptor sets (.binpb, .pb or
	// .protoset), as protoc --include_imports --descriptor_set_out and buf build make them. What a .proto file imports is
	// sought below its own folder or, where that is the folder of its package (user/v1 of the package user.v1), below the
	// one that this starts in; google/protobuf, google/api and google/rpc are built in.
	Protos []sluice.Path `yaml:"protos"`
	// What is answered beside the endpoints where there are routes of gRPC.
	GRPC GRPC `yaml:"grpc"`
	// Lists of policies, by the user's names, for `use: NAME`.
	Policies sluice.Map[[]Policy] `yaml:"policies" names:"name"`
	// Policies around the router: unknown paths and preflights pass them too.
	EveryRequest []Policy `yaml:"every_request"`
	// Policies of every endpoint, before its own. A public endpoint leaves out what finds out or needs the caller.
	EveryEndpoint []Policy `yaml:"every_endpoint"`
	// What is served, by the user's names.
	Endpoints sluice.Map[Endpoint] `yaml:"endpoints" names:"name"`
}

// Listen says where the node listens, and the limits of every connection.
type Listen struct {
	// The address for HTTP/1.1 and HTTP/2 without TLS.
	HTTP *Address `yaml:"http"`
	// The address for HTTP/1.1 and HTTP/2 with TLS.
	HTTPS *TLSAddress `yaml:"https"`
	// The address for health, metrics and profiles. On an address that others reach, only /healthz and /readyz
	// answer anyone, and the rest needs policies.
	Admin *AdminAddress `yaml:"admin"`
	// The limits of a connection, the same for http and https.
	Limits Limits `yaml:"limits"`
	// How the node stops.
	Drain Drain `yaml:"drain"`
}

// Address is where to listen.
type Address struct {
	// Host and port; no host means every address of the machine, port 0 a free one.
	Address string `yaml:"address,short" required:"true"`
}

// TLSAddress is where to listen with TLS.
type TLSAddress struct {
	// Host and port.
	Address string `yaml:"address" required:"true"`
	// Certificates with their keys. The one that fits the name that the client asks for is used, else the first.
	// They are read again when the files change.
	Certificates []Certificate `yaml:"certificates" required:"true"`
	// Certificates of the authorities whose clients are let in, as a PEM file. With it, clients are asked for a
	// certificate. It is read again when it changes; connections that were made before stay.
	ClientCA sluice.Path `yaml:"client_ca"`
	// Whether every client must show a certificate of client_ca (require), or also those are let in that show none
	// (optional), so that only what has the policy client_cert asks for one. require is the default.
	ClientCertificates string `yaml:"client_certificates" enum:"require,optional"`
	// The lowest version of TLS that is spoken: "1.2" or "1.3".
	MinVersion string `yaml:"min_version" default:"1.2" enum:"1.2,1.3"`
}

// Certificate is a certificate with its key, as PEM files.
type Certificate struct {
	// The certificate and those that lead to its authority.
	Cert sluice.Path `yaml:"cert" required:"true"`
	// The private key.
	Key sluice.Path `yaml:"key" required:"true"`
}

// AdminAddress is where health, metrics and profiles are served.
type AdminAddress struct {
	// Host and port.
	Address string `yaml:"address,short" required:"true"`
	// Policies around everything but /healthz and /readyz.
	Policies []Policy `yaml:"policies"`
}

// Limits bound what one connection or request may take. Calls of gRPC that pass through, and streams of answers, go on for as
// long as something moves: for them body_timeout, whole_timeout and max_body do not hold, but what their backend says.
type Limits struct {
	// The time for a request's header to arrive. Zero is without limit.
	HeaderTimeout time.Duration `yaml:"header_timeout" default:"10s"`
	// The longest time without a byte of the request's body, and without room for a byte of the answer. Zero is without limit.
	BodyTimeout time.Duration `yaml:"body_timeout" default:"30s"`
	// The time that a connection may wait for its next request. Zero is without limit.
	IdleTimeout time.Duration `yaml:"idle_timeout" default:"2m"`
	// The time for a whole request and its answer, also where a policy allows more. Zero is without limit.
	WholeTimeout time.Duration `yaml:"whole_timeout" default:"1m"`
	// The size of a request's header, the target included. A larger one gets 431, or 414 for its target.
	MaxHeader sluice.Size `yaml:"max_header" default:"64KiB" min:"1KiB"`
	// The size of a request's body. A larger one gets 413. Zero is without limit.
	MaxBody sluice.Size `yaml:"max_body" default:"10MiB"`
	// The size of a body that is read into memory, because an input or a policy looks into it. A larger one gets 413. Zero
	// takes none.
	MaxBuffered sluice.Size `yaml:"max_buffered" default:"1MiB"`
	// Requests at once on one HTTP/2 connection.
	MaxStreams int `yaml:"max_streams" default:"250" min:"1"`
}

// Drain says how the node stops on SIGTERM.
type Drain struct {
	// The time between no longer being ready and no longer taking connections, so that load balancers see it.
	Delay time.Duration `yaml:"delay" default:"5s"`
	// The time that running requests get to finish after that. Zero is without limit.
	Timeout time.Duration `yaml:"timeout" default:"30s"`
}

// State says what nodes share, and where it is kept.
type State struct {
	// Redis, or what speaks like it: counters of limits, cached answers, and notices between nodes. Empty or left out, a
	// node keeps them in its memory, for itself.
	Redis Redis `yaml:"redis"`
	// Where jobs are kept, which the policy async makes.
	Jobs Jobs `yaml:"jobs"`
	// What wakes the workers of all processes when there is a job. Empty or left out, a process wakes its own, and those of
	// others find a job when they next ask the record, which they do once a second in any case.
	Bell Bell `yaml:"bell"`
	// Keys that sign cursors and tokens: the first signs, all verify. Empty ones are dropped; with none left a
	// random one is made at start, which only one node can do.
	Keys []sluice.Secret `yaml:"keys"`
}

// Jobs says where jobs are kept, and how many are worked on. The record is opened when an endpoint has the policy async.
type Jobs struct {
	// The record of jobs. `sqlite:FILE`, with a path relative to this file: every commit in it is synced to the disk, and
	// the processes of one machine can share it. `postgres://USER:PASSWORD@HOST:PORT/NAME`, as libpq has it, for any number
	// of nodes: the tables, all of them named sluice_job…, are made where they are missing, in the first schema of the
	// search path. Of several hosts the one that takes writes is used; `pool_max_conns` in the address is the most
	// connections of a process, 8 where it is left out. A node starts, and heals, also where the database is away.
	URL RecordURL `yaml:"url,short" default:"sqlite:jobs.db"`
	// How many jobs a process works on at once.
	Workers int `yaml:"workers" default:"16" min:"1" max:"10000"`
	// How long a job stays with a process that says nothing any more; a process extends it each third of that time. Shorter,
	// a job is tried again sooner after a crash; longer, a database may be away for longer before attempts are broken off.
	Lease time.Duration `yaml:"lease" default:"30s" min:"3s" max:"10m"`
}

// Bell names a message broker, and a queue of it. The record of jobs alone says what there is to do: a broker that is away,
// or has lost what it kept, costs time and no job.
type Bell struct {
	// The address: amqp://user:password@host:5672/vhost for RabbitMQ, kafka://user:password@host:9092 for Kafka,
	// nats://user:password@host:4222 for NATS with JetStream; an s after the scheme (amqps://, kafkas://, natss://) is for
	// TLS. User, password and virtual host stand where they are needed; in them, % and letters such as # ? / and @ are
	// written %25, %23, %3F, %2F and %40. Several hosts with commas between them are those of a cluster. Kafka can be told
	// the consumer group (?group=sluice-QUEUE), how user and password are told (?sasl=plain, scram-sha-256 or
	// scram-sha-512) and how many partitions a topic gets that is made (?partitions=8); NATS how many servers keep a stream
	// that is made (?replicas=1).
	URL sluice.Secret `yaml:"url,short"`
	// The queue. It is made where it is not there. Each system on one broker needs one of its own.
	Queue string `yaml:"queue" default:"sluice-jobs"`
	// Certificates of the authorities that vouch for the broker's certificate; left out, those of the machine.
	CA sluice.Path `yaml:"ca"`
	// The certificate to show the broker, with the key in `key`.
	Cert sluice.Path `yaml:"cert"`
	// The private key of `cert`.
	Key sluice.Path `yaml:"key"`
}

// Check wants a certificate with its key, and an address where there is anything else.
func (b *Bell) Check() error {
	if b.URL == "" && (b.Queue != "sluice-jobs" || b.CA != "" || b.Cert != "" || b.Key != "") {
		return sluice.At("url", errors.New("the other keys are those of a broker, and none is named; want its address, or the block left out"))
	}
	if (b.Cert == "") != (b.Key == "") {
		return sluice.At("cert", errors.New("a certificate needs its key; want cert and key, or none of them"))
	}
	return nil
}

// Redis names a Redis, and says how long it may take.
type Redis struct {
	// The address: redis://host:6379, with user, password and database where they are needed
	// (redis://user:password@host:6379/0, a % in them written %25), and rediss:// for TLS. Several hosts with commas between
	// them are those of a cluster, of which some are enough. A node starts, and goes on, also where it cannot be reached.
	URL sluice.Secret `yaml:"url,short"`
	// The longest time that a request waits for it. Each policy says what it does then.
	Timeout time.Duration `yaml:"timeout" default:"20ms" min:"1ms" max:"5s"`
	// What every key starts with, for several systems on one Redis.
	Prefix string `yaml:"prefix" default:"sluice:"`
	// Certificates of the authorities that vouch for its certificate; left out, those of the machine.
	CA sluice.Path `yaml:"ca"`
	// The certificate to show it, with the key in `key`.
	Cert sluice.Path `yaml:"cert"`
	// The private key of `cert`.
	Key sluice.Path `yaml:"key"`
}

// Check wants a certificate with its key.
func (r *Redis) Check() error {
	if (r.Cert == "") != (r.Key == "") {
		return errors.New("a certificate needs its key; want cert and key, or none of them")
	}
	return nil
}

// GRPC says what the node answers to calls of gRPC by itself, wherever a route takes such calls. Only the policies of
// every_request stand around such answers.
type GRPC struct {
	// Tell anyone who asks the services of the routes with their messages (grpc.reflection.v1 and v1alpha), as grpcurl
	// and its kin do. Services that are passed through are told by name only.
	Reflection bool `yaml:"reflection" default:"true"`
	// Tell anyone who asks whether the node takes calls (grpc.health.v1): SERVING while /readyz says ready.
	Health bool `yaml:"health" default:"true"`
}

// Observe says what is told of exchanges.
type Observe struct {
	// Log a line for every request.
	AccessLog bool `yaml:"access_log" default:"true"`
	// The least level of log lines.
	LogLevel string `yaml:"log_level" default:"info" enum:"debug,info,warn,error"`
	// Log as JSON, or as text for people. Text is the default on a terminal, JSON elsewhere.
	LogFormat string `yaml:"log_format" enum:"json,text"`
	// Traces over OTLP.
	Traces Traces `yaml:"traces"`
}

// Traces says where traces go, and how many.
type Traces struct {
	// The OTLP endpoint, such as http://collector:4317 for gRPC. Empty turns traces off.
	Endpoint string `yaml:"endpoint"`
	// The share of requests without a trace of their own that get one, from 0 to 1. A caller's decision is kept.
	Sample float64 `yaml:"sample" default:"0.05" min:"0" max:"1"`
	// The name of the service in traces.
	Service string `yaml:"service" default:"sluice"`
}

// Backend is one entry under backends: one block, named by its kind.
type Backend struct {
	// The kind of backend with its block.
	Kinds []Block `yaml:",kind"`
}

// Policy is one entry of a list of policies: `kind: {…}`, a bare `kind`, or `use: NAME`.
type Policy struct {
	// The name of a list under policies, which stands here in full.
	Use string `yaml:"use"`
	// The kind of policy with its block.
	Kinds []Block `yaml:",kind,bare"`
}

// Endpoint is one entry under endpoints: a route, the policies around it, and the backend that answers.
type Endpoint struct {
	// A method and a path, such as GET /api/products/{id}. {rest...} at the end takes the rest of the path, an empty
	// one too. A host may stand before the path, such as api.example.org or *.example.org, and * is any method.
	//
	// Calls of gRPC have routes such as grpc user.v1.UserService/GetUser, a method that protos declares. The top-level
	// fields of its message are inputs by their names, as path parameters are. Where the endpoint has another route, a call
	// is served as the request of the first of them that it stands for: fields stand in the path where that has their
	// names, the others in the query of a GET, else in the JSON body, with the names that the .proto file has.
	// The answer's JSON becomes the message of the answer; what of it the message has no field for is left out, and
	// an array fills its one repeated field. grpc user.v1.UserService/* passes all calls of a service to a backend that takes
	// them as they come, such as grpc.
	//
	// consume events orders takes the messages of the queue orders, of the entry events under backends. Each becomes a
	// request, on a process with the role worker: its body is the message's, and the top-level fields of that, as JSON, are
	// inputs by their names. Where the endpoint has a route of HTTP, fields stand in its path and, for inputs in: query, in
	// the query; else an input without `in` is such a field. The policies of every_request do not stand around it, and
	// nobody asks for it, so the endpoint has no policy that finds out who asks.
	Route string `yaml:"route"`
	// Several routes, instead of one. Each must bring every name that the endpoint's references use.
	Routes []string `yaml:"routes"`
	// Served to callers that nobody knows: of every_endpoint, what authenticates or needs the caller is left out.
	Public bool `yaml:"public"`
	// What the request brings, by name. What does not fit gets a 400 that names every value at fault.
	Input Inputs `yaml:"input"`
	// Policies around the backend, in the order they run.
	Policies []Policy `yaml:"policies"`
	// How integers of 64 bits are written in JSON: number or string. Answers of a grpc backend are proto3 JSON, where they are
	// strings in any case.
	Int64 string `yaml:"int64" default:"number" enum:"number,string"`
	// How the messages are served that come by routes such as consume events orders.
	Consume *Consume `yaml:"consume"`
	// The answer, where it is not the backend's own.
	Respond *Respond `yaml:"respond"`
	// The backend that answers: one block, named by its kind.
	Kinds []Block `yaml:",kind"`
}

// Consume says how messages are served. A message is acknowledged once it is answered with a status below 400. One that is
// answered with 408, 425, 429, or 500 and above but 501 and 505, is tried again; it is held meanwhile, and waits among those
// that are served at once. Other answers, which no retry mends, and the last of its attempts put it into the queue for dead
// messages, with the fields dead-reason, dead-queue and dead-attempts, and then it is acknowledged. So what a message does may
// be done more than once: its request carries the fields Idempotency-Key, with the message's id where it has one, and
// Message-Attempt. What a process held that was lost is given to another, and its attempts start anew there; one that was
// given out 20 times is dead, where the broker counts that.
type Consume struct {
	// How often a message is tried at most.
	Attempts int `yaml:"attempts" default:"5" min:"1" max:"1000"`
	// The time before the next attempt: random between zero and base, which doubles with each attempt, but never sooner than
	// the backend's Retry-After says, up to cap.
	Backoff Backoff `yaml:"backoff"`
	// The longest time of one attempt.
	Timeout time.Duration `yaml:"timeout" default:"30s" min:"1ms" max:"20m"`
	// How many messages of a queue a process serves at once.
	AtOnce int `yaml:"at_once" default:"16" min:"1" max:"1000"`
	// The queue for messages that are given up; left out, that of the route with .dead at its end. It is made where queues
	// are.
	Dead string `yaml:"dead"`
	// Fields of the message's header that its request gets, beside those that the endpoint refers to, and the trace context.
	Headers []string `yaml:"headers,one"`
}

// Backoff is the time before the next attempt.
type Backoff struct {
	// The most before the second attempt.
	Base time.Duration `yaml:"base" default:"1s" min:"0s"`
	// The most before any attempt.
	Cap time.Duration `yaml:"cap" default:"1m" min:"0s"`
}

// Inputs is what a request brings: values by name, and a JSON Schema for the body.
type Inputs struct {
	// Values in path, query and header.
	Values sluice.Map[sluice.Input] `yaml:",rest" names:"input"`
	// A JSON Schema (2020-12) that the body must fit.
	Body sluice.RawJSON `yaml:"body"`
}

// Respond replaces parts of the backend's answer. Its templates may use the results that the backend made.
type Respond struct {
	// The status.
	Status int `yaml:"status" min:"200" max:"599"`
	// Fields that are set. One whose value comes out empty is left out.
	Headers sluice.Map[sluice.Template] `yaml:"headers" names:"header"`
	// A JSON body; a string in it that is one reference becomes the value with its type.
	JSON sluice.JSONTemplate `yaml:"json"`
}
