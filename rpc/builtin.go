package rpc

import (
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	// Their files are built in.
	_ "google.golang.org/genproto/googleapis/api/annotations"
	_ "google.golang.org/genproto/googleapis/api/httpbody"
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"
	_ "google.golang.org/genproto/googleapis/rpc/status"
	_ "google.golang.org/protobuf/types/gofeaturespb"
	_ "google.golang.org/protobuf/types/known/anypb"
	_ "google.golang.org/protobuf/types/known/apipb"
	_ "google.golang.org/protobuf/types/known/durationpb"
	_ "google.golang.org/protobuf/types/known/emptypb"
	_ "google.golang.org/protobuf/types/known/fieldmaskpb"
	_ "google.golang.org/protobuf/types/known/sourcecontextpb"
	_ "google.golang.org/protobuf/types/known/structpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
	_ "google.golang.org/protobuf/types/known/typepb"
	_ "google.golang.org/protobuf/types/known/wrapperspb"
	_ "google.golang.org/protobuf/types/pluginpb"
)

// builtIn is a file that needs not be given: all of google/protobuf, and of google/api and google/rpc what is linked in.
func builtIn(path string) (protoreflect.FileDescriptor, bool) {
	switch {
	case isStandard(path):
		found, err := protocompile.WithStandardImports(nothing{}).FindFileByPath(path)
		if err == nil {
			return found.Desc, true
		}
	case strings.HasPrefix(path, "google/api/") || strings.HasPrefix(path, "google/rpc/"):
		found, err := protoregistry.GlobalFiles.FindFileByPath(path)
		if err == nil {
			return found, true
		}
	}
	return nil, false
}

// isStandard tells a path of which there is only the file that is built in.
func isStandard(path string) bool { return strings.HasPrefix(path, "google/protobuf/") }

// BuiltIn tells whether a file of that path needs not be given to NewSchema.
func BuiltIn(path string) bool {
	_, found := builtIn(path)
	return found
}

// builtInProto is builtIn in its other form.
func builtInProto(path string) (*descriptorpb.FileDescriptorProto, bool) {
	found, ok := builtIn(path)
	if !ok {
		return nil, false
	}
	return protodesc.ToFileDescriptorProto(found), true
}

// nothing is a resolver that has no file.
type nothing struct{}

// FindFileByPath finds nothing.
func (nothing) FindFileByPath(string) (protocompile.SearchResult, error) {
	return protocompile.SearchResult{}, protoregistry.NotFound
}
