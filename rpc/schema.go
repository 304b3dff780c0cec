package rpc

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/sluiceapi/sluice"
)

// Schema is what .proto files, descriptor sets or a server's reflection declare: messages, and services with their
// methods. It does not change, and may be used by many at once.
type Schema struct {
	files    *protoregistry.Files
	types    types
	services map[string]protoreflect.ServiceDescriptor
	methods  map[string]*Method
}

// Method is one method of a service.
type Method struct {
	// Name is the method as configs name it, such as user.v1.UserService/GetUser; with a slash before it, it is the path
	// of its calls.
	Name string
	// In and Out are what a call brings and what it gets.
	In, Out *Type
	// ClientStreams and ServerStreams tell whether there may be several messages of either.
	ClientStreams, ServerStreams bool
	// Descriptor is all that is declared of it.
	Descriptor protoreflect.MethodDescriptor
}

// Service is the name of the method's service, such as user.v1.UserService.
func (m *Method) Service() string { return string(m.Descriptor.Parent().FullName()) }

// NewSchema makes a schema of files. What they import and do not hold is taken from those that are built in: all of
// google/protobuf, and of google/api and google/rpc what APIs use. Each file is there once, or as often in the same words.
func NewSchema(files []*descriptorpb.FileDescriptorProto) (*Schema, error) {
	byPath := make(map[string]*descriptorpb.FileDescriptorProto, len(files))
	for _, f := range files {
		if own, standard := builtInProto(f.GetName()); standard && isStandard(f.GetName()) {
			f = own // whichever version of it whoever made the files had
		}
		f = knownOptions(f)
		if other := byPath[f.GetName()]; other != nil && !proto.Equal(bare(other), bare(f)) {
			return nil, fmt.Errorf("there are two different files %s; want one", f.GetName())
		}
		byPath[f.GetName()] = f
	}
	set := &descriptorpb.FileDescriptorSet{}
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		set.File = append(set.File, byPath[path])
	}
	for i := 0; i < len(set.File); i++ { // imports of what is added are added in their turn
		for _, path := range set.File[i].GetDependency() {
			if byPath[path] != nil {
				continue
			}
			found, ok := builtInProto(path)
			if !ok {
				return nil, fmt.Errorf("%s imports %s, which is not there", set.File[i].GetName(), path)
			}
			byPath[path] = found
			set.File = append(set.File, found)
		}
	}
	registry, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, fmt.Errorf("descriptors: %s", plain(err))
	}
	return newSchema(registry), nil
}

func newSchema(files *protoregistry.Files) *Schema {
	s := &Schema{files: files, types: newTypes(files), services: map[string]protoreflect.ServiceDescriptor{}, methods: map[string]*Method{}}
	known := map[protoreflect.FullName]*Type{}
	typeOf := func(d protoreflect.MessageDescriptor) *Type {
		if known[d.FullName()] == nil {
			known[d.FullName()] = newType(d, s.types)
		}
		return known[d.FullName()]
	}
	files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			service := f.Services().Get(i)
			s.services[string(service.FullName())] = service
			for j := range service.Methods().Len() {
				d := service.Methods().Get(j)
				m := &Method{Name: string(service.FullName()) + "/" + string(d.Name()), In: typeOf(d.Input()), Out: typeOf(d.Output()),
					ClientStreams: d.IsStreamingClient(), ServerStreams: d.IsStreamingServer(), Descriptor: d}
				s.methods[m.Name] = m
			}
		}
		return true
	})
	return s
}

// bare is a file without its comments and places, which may differ between copies.
func bare(f *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	f = proto.CloneOf(f)
	f.SourceCodeInfo = nil
	return f
}

// plain is an error's text without the prefix and the odd spaces that the protobuf module gives it.
func plain(err error) string {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	return strings.TrimPrefix(text, "proto: ")
}

// Services are the names of all services, in order.
func (s *Schema) Services() []string { return slices.Sorted(maps.Keys(s.services)) }

// Methods are all methods of a service, in the order in which it declares them; none when there is no such service.
func (s *Schema) Methods(service string) []*Method {
	d := s.services[service]
	if d == nil {
		return nil
	}
	var all []*Method
	for i := range d.Methods().Len() {
		all = append(all, s.methods[service+"/"+string(d.Methods().Get(i).Name())])
	}
	return all
}

// Service says nothing where the schema has the service, and else what could be meant.
func (s *Schema) Service(name string) error {
	if s.services[name] != nil {
		return nil
	}
	if len(s.services) == 0 {
		return errors.New("no service is declared; want .proto files or descriptor sets that declare one")
	}
	if near := sluice.Nearest(name, s.Services()); near != "" {
		return fmt.Errorf("unknown service %q; did you mean %s?", name, near)
	}
	return fmt.Errorf("unknown service %q; want %s", name, oneOf(s.Services()))
}

// Method is the method of that name, such as user.v1.UserService/GetUser, or an error that says what could be meant.
func (s *Schema) Method(name string) (*Method, error) {
	if m := s.methods[name]; m != nil {
		return m, nil
	}
	service, method, found := strings.Cut(name, "/")
	if !found || service == "" || method == "" || strings.Contains(method, "/") {
		return nil, fmt.Errorf("%q is not a method; want one such as user.v1.UserService/GetUser", name)
	}
	if err := s.Service(service); err != nil {
		return nil, err
	}
	var names []string
	for _, m := range s.Methods(service) {
		names = append(names, strings.TrimPrefix(m.Name, service+"/"))
	}
	if near := sluice.Nearest(method, names); near != "" {
		return nil, fmt.Errorf("unknown method %q; did you mean %s/%s?", name, service, near)
	}
	return nil, fmt.Errorf("%s has no method %q; want %s", service, method, oneOf(names))
}

// maxNamed is how many names a message lists.
const maxNamed = 8

func oneOf(names []string) string {
	switch {
	case len(names) == 0:
		return "another one"
	case len(names) == 1:
		return names[0]
	case len(names) > maxNamed:
		return fmt.Sprintf("one of %s and %d more", strings.Join(names[:maxNamed], ", "), len(names)-maxNamed)
	}
	return "one of " + strings.Join(names, ", ")
}

// File is the file of that path with the names of what it imports, nil when there is none.
func (s *Schema) File(path string) protoreflect.FileDescriptor {
	f, err := s.files.FindFileByPath(path)
	if err != nil {
		return nil
	}
	return f
}

// FileOf is the file that declares that service, method, message, field or enum, nil when none does.
func (s *Schema) FileOf(symbol string) protoreflect.FileDescriptor {
	d, err := s.files.FindDescriptorByName(protoreflect.FullName(symbol))
	if err != nil {
		return nil
	}
	return d.ParentFile()
}

// Extensions are the extensions of a message that the schema has, in the order of their numbers.
func (s *Schema) Extensions(message string) []protoreflect.ExtensionDescriptor {
	return s.types.extensionsOf(protoreflect.FullName(message))
}
