// Package reflection tells the services of a node to whoever asks, as grpc.reflection has it.
package reflection

import (
	"io"
	"slices"

	"google.golang.org/grpc/codes"
	v1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	// Its files are told too.
	_ "google.golang.org/grpc/health/grpc_health_v1"
	_ "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/rpc"
)

// Services are the names of the protocol's own services, one for each version.
var Services = []string{"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}

// Paths are those of the calls that the handler answers: of both versions of the protocol, whose messages are the same.
var Paths = []string{v1.ServerReflection_ServerReflectionInfo_FullMethodName, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}

// maxRequest is how much a request of the protocol may take: it holds one name.
const maxRequest = 16 << 10

// reflection is what is told.
type reflection struct {
	services []string
	schema   *rpc.Schema // nil where no files are known
	// files are those that may be told, by path: of the services, with what they import.
	files map[string]protoreflect.FileDescriptor
}

// New makes the handler of calls for reflection. It lists the services, and tells those files of the schema, which may be
// nil, and of what is built in, that declare them or that these import: nothing else that the schema holds.
func New(schema *rpc.Schema, services []string) sluice.Handler {
	services = slices.Clone(services)
	slices.Sort(services)
	r := &reflection{schema: schema, services: slices.Compact(services), files: map[string]protoreflect.FileDescriptor{}}
	for _, name := range r.services {
		if f := r.declares(name); f != nil {
			r.add(f)
		}
	}
	return r
}

func (r *reflection) add(f protoreflect.FileDescriptor) {
	if r.files[f.Path()] != nil {
		return
	}
	r.files[f.Path()] = f
	for i := range f.Imports().Len() {
		r.add(f.Imports().Get(i).FileDescriptor)
	}
}

// declares is the file that declares a name, nil when none is known.
func (r *reflection) declares(name string) protoreflect.FileDescriptor {
	if r.schema != nil {
		if f := r.schema.FileOf(name); f != nil {
			return f
		}
	}
	if d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name)); err == nil {
		return d.ParentFile()
	}
	return nil
}

// Serve answers requests as they come.
func (r *reflection) Serve(x *sluice.Exchange) error {
	requests := rpc.NewReader(body{&x.Request.Body}, string(x.Request.Header.Value("Grpc-Encoding")), maxRequest)
	sent := map[string]bool{}
	rpc.Answer(x, rpc.Source{Next: func() ([]byte, error) {
		wire, err := requests.Next()
		if err != nil {
			return nil, err
		}
		request := &v1.ServerReflectionRequest{}
		if err := proto.Unmarshal(wire, request); err != nil {
			return nil, &sluice.Error{Code: sluice.BadRequest, Message: "the message is no request for reflection"}
		}
		return proto.Marshal(r.answer(request, sent))
	}})
	return nil
}

// body reads the body of a request, whatever holds it.
type body struct{ *sluice.Body }

// Read reads on.
func (b body) Read(p []byte) (int, error) {
	if b.Stream != nil {
		return b.Stream.Read(p)
	}
	if len(b.Bytes) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.Bytes)
	b.SetBytes(b.Bytes[n:])
	return n, nil
}

// answer is the answer to one request; sent holds the files that the client has got already.
func (r *reflection) answer(q *v1.ServerReflectionRequest, sent map[string]bool) *v1.ServerReflectionResponse {
	a := &v1.ServerReflectionResponse{ValidHost: q.GetHost(), OriginalRequest: q}
	var file protoreflect.FileDescriptor
	switch asked := q.GetMessageRequest().(type) {
	case *v1.ServerReflectionRequest_ListServices:
		list := &v1.ListServiceResponse{}
		for _, name := range r.services {
			list.Service = append(list.Service, &v1.ServiceResponse{Name: name})
		}
		a.MessageResponse = &v1.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: list}
		return a
	case *v1.ServerReflectionRequest_AllExtensionNumbersOfType:
		if r.told(r.declares(asked.AllExtensionNumbersOfType)) != nil {
			numbers := &v1.ExtensionNumberResponse{BaseTypeName: asked.AllExtensionNumbersOfType}
			for _, e := range r.extensions(asked.AllExtensionNumbersOfType) {
				numbers.ExtensionNumber = append(numbers.ExtensionNumber, int32(e.Number()))
			}
			a.MessageResponse = &v1.ServerReflectionResponse_AllExtensionNumbersResponse{AllExtensionNumbersResponse: numbers}
			return a
		}
	case *v1.ServerReflectionRequest_FileByFilename:
		file = r.files[asked.FileByFilename]
	case *v1.ServerReflectionRequest_FileContainingSymbol:
		file = r.told(r.declares(asked.FileContainingSymbol))
	case *v1.ServerReflectionRequest_FileContainingExtension:
		for _, e := range r.extensions(asked.FileContainingExtension.GetContainingType()) {
			if int32(e.Number()) == asked.FileContainingExtension.GetExtensionNumber() {
				file = e.ParentFile()
			}
		}
	}
	if file == nil {
		a.MessageResponse = &v1.ServerReflectionResponse_ErrorResponse{ErrorResponse: &v1.ErrorResponse{
			ErrorCode: int32(codes.NotFound), ErrorMessage: "there is no such thing here",
		}}
		return a
	}
	files := &v1.FileDescriptorResponse{}
	gather(file, sent, files)
	if len(files.FileDescriptorProto) == 0 { // asked for again
		delete(sent, file.Path())
		gather(file, sent, files)
	}
	a.MessageResponse = &v1.ServerReflectionResponse_FileDescriptorResponse{FileDescriptorResponse: files}
	return a
}

// told is the file where it is one that may be told.
func (r *reflection) told(f protoreflect.FileDescriptor) protoreflect.FileDescriptor {
	if f == nil {
		return nil
	}
	return r.files[f.Path()]
}

// extensions are those of a message that are declared in files that may be told.
func (r *reflection) extensions(message string) []protoreflect.ExtensionDescriptor {
	if r.schema == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(r.schema.Extensions(message)), func(e protoreflect.ExtensionDescriptor) bool {
		return r.told(e.ParentFile()) == nil
	})
}

// gather adds a file and what it imports, but for those that were sent.
func gather(f protoreflect.FileDescriptor, sent map[string]bool, to *v1.FileDescriptorResponse) {
	if sent[f.Path()] {
		return
	}
	sent[f.Path()] = true
	if wire, err := proto.Marshal(protodesc.ToFileDescriptorProto(f)); err == nil {
		to.FileDescriptorProto = append(to.FileDescriptorProto, wire)
	}
	for i := range f.Imports().Len() {
		gather(f.Imports().Get(i).FileDescriptor, sent, to)
	}
}
