package grpc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/rpc"
	"github.com/sluiceapi/sluice/upstream"
)

const (
	// reflectTime is what asking for all that a service declares may take.
	reflectTime = 10 * time.Second
	// reflectEvery is how often it is asked whether it declares something else.
	reflectEvery = time.Minute
	// reflectPause is the time before it is asked again that has not answered, at first; it grows to reflectEvery.
	reflectPause = 200 * time.Millisecond
	// What a service may declare.
	maxServices, maxFiles, maxDeclared = 1000, 10_000, 64 << 20
)

// The versions of the protocol, whose messages are the same.
var reflectPaths = []string{grpc_reflection_v1.ServerReflection_ServerReflectionInfo_FullMethodName,
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}

// reflect asks the service what it declares, until the block is closed. The process is not ready before it is known.
func (b *backend) reflect(env *sluice.Env) {
	b.schema = newSchema(env)
	if env.Dry {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	ready := sync.OnceFunc(env.Hold("what the gRPC service of " + env.Name + " declares"))
	running.Go(func() { b.follow(ctx, ready) })
	env.Cleanup(func() {
		cancel()
		running.Wait()
		ready()
	})
}

// follow keeps the schema that of the service.
func (b *backend) follow(ctx context.Context, ready func()) {
	var known *descriptorpb.FileDescriptorSet
	pause, told := reflectPause, false
	for {
		set, err := b.declared(ctx)
		if err == nil && (known == nil || !proto.Equal(set, known)) {
			var s *rpc.Schema
			if s, err = rpc.NewSchema(set.File); err == nil {
				known = set
				b.schema.replace(s)
			}
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			pause, told = reflectEvery, false
			ready()
		default:
			pause = min(2*pause, reflectEvery)
			if !told {
				b.schema.log.Warn("the service does not say what it declares", "error", err)
			}
			told = true
		}
		timer := time.NewTimer(pause - pause/10 + rand.N(pause/5+1))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// declared asks a host for the files of all its services.
func (b *backend) declared(ctx context.Context) (*descriptorpb.FileDescriptorSet, error) {
	ctx, cancel := context.WithTimeout(ctx, reflectTime)
	defer cancel()
	x := sluice.NewExchange(nil)
	x.Tried.Begin()
	var last error
	for {
		h := b.hosts.Pick(x, b.now())
		if h == nil {
			return nil, last
		}
		set, err := b.declaredBy(ctx, h.Link)
		if _, unreached := errors.AsType[*dialError](err); unreached && ctx.Err() == nil {
			h.Heard(b.now(), upstream.Unreached)
		}
		h.Done()
		if err == nil {
			return set, nil
		}
		last = err
	}
}

func (b *backend) declaredBy(ctx context.Context, l *link) (set *descriptorpb.FileDescriptorSet, err error) {
	for _, path := range reflectPaths {
		q := &questions{b: b, link: l, path: path, files: map[string]bool{}, set: &descriptorpb.FileDescriptorSet{}}
		if err = q.all(ctx); !errors.Is(err, errUnknown) {
			return q.set, err
		}
	}
	return nil, err
}

// errUnknown is the answer of a service that does not know a version of the protocol.
var errUnknown = errors.New("it has no reflection")

// questions are asked of one host, in one version of the protocol.
type questions struct {
	b    *backend
	link *link
	path string
	// files are those that are there, by name; size is that of all.
	files map[string]bool
	size  int
	set   *descriptorpb.FileDescriptorSet
}

// all asks for the services, for the files that declare them, and for what these import as long as something is missing.
func (q *questions) all(ctx context.Context) error {
	var services []string
	list := &grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{ListServices: "*"}}
	err := q.ask(ctx, []proto.Message{list}, func(r *grpc_reflection_v1.ServerReflectionResponse) error {
		for _, s := range r.GetListServicesResponse().GetService() {
			services = append(services, s.GetName())
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(services) > maxServices {
		return fmt.Errorf("it has %d services; want at most %d", len(services), maxServices)
	}
	var next []proto.Message
	for _, name := range services {
		next = append(next, &grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name}})
	}
	for len(next) > 0 {
		before := len(q.files)
		if err := q.ask(ctx, next, q.take); err != nil {
			return err
		}
		if next = q.missing(); len(q.files) == before && len(next) > 0 {
			return errors.New("it does not give all files that its services need")
		}
	}
	return nil
}

// missing asks for the files that others import, but for those that are built in.
func (q *questions) missing() (next []proto.Message) {
	asked := map[string]bool{}
	for _, f := range q.set.File {
		for _, name := range f.GetDependency() {
			if q.files[name] || asked[name] || rpc.BuiltIn(name) {
				continue
			}
			asked[name] = true
			next = append(next, &grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileByFilename{FileByFilename: name}})
		}
	}
	return next
}

// take keeps the files of an answer. A service of which there are none, as one of the protocol's own may be, is passed over.
func (q *questions) take(r *grpc_reflection_v1.ServerReflectionResponse) error {
	for _, wire := range r.GetFileDescriptorResponse().GetFileDescriptorProto() {
		if q.size += len(wire); q.size > maxDeclared || len(q.files) >= maxFiles {
			return errors.New("it declares more than fits")
		}
		f, err := rpc.ParseFile(wire)
		if err != nil {
			return err
		}
		if !q.files[f.GetName()] {
			q.files[f.GetName()] = true
			q.set.File = append(q.set.File, f)
		}
	}
	return nil
}

func (q *questions) ask(ctx context.Context, requests []proto.Message, take func(*grpc_reflection_v1.ServerReflectionResponse) error) error {
	s, err := q.b.ask(ctx, q.link, q.path, requests, func(wire []byte) error {
		r := &grpc_reflection_v1.ServerReflectionResponse{}
		if err := proto.Unmarshal(wire, r); err != nil {
			return err
		}
		return take(r)
	})
	switch {
	case err != nil:
		return err
	case s.Code == codes.Unimplemented:
		return errUnknown
	case s.Code != codes.OK:
		return fmt.Errorf("it answers to %s with %s: %s", q.path, s.Code, s.Message)
	}
	return nil
}
