package rpc_test

import (
	"os"
	"testing"
	"testing/fstest"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/sluiceapi/sluice/rpc"
)

// FuzzCompile holds that no .proto file does harm, and that what compiles makes a schema.
func FuzzCompile(f *testing.F) {
	for _, path := range []string{"testdata/all.proto", "testdata/user/v1/user.proto", "testdata/user/v1/kind.proto"} {
		source, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(source))
	}
	f.Add("edition = \"2023\"; message A { int32 x = 1 [features.field_presence = IMPLICIT]; }")
	f.Add("syntax = \"proto2\"; message A { extensions 1 to max; optional group B = 1 {} } extend A { optional int32 y = 5; }")
	f.Add("import \"fuzz.proto\";")
	f.Fuzz(func(t *testing.T, source string) {
		files, err := rpc.Compile(t.Context(), "fuzz.proto", fstest.MapFS{"fuzz.proto": {Data: []byte(source)}})
		if err != nil {
			return
		}
		_, _ = rpc.NewSchema(files) // it may refuse: the compiler takes a little more than the descriptors' own rules
	})
}

// FuzzParseSet holds that no descriptor set does harm.
func FuzzParseSet(f *testing.F) {
	files, err := rpc.Compile(f.Context(), "all.proto", os.DirFS("testdata"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		wire, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		files, err := rpc.ParseSet(wire)
		if err != nil {
			return
		}
		s, err := rpc.NewSchema(files)
		if err != nil {
			return
		}
		for _, service := range s.Services() {
			for _, m := range s.Methods(service) {
				if _, err := m.In.New().AppendJSON(nil, rpc.Form{Zeros: true}); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
