package rpc_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/rpc"
)

func load(t testing.TB, paths ...sluice.Path) *rpc.Schema {
	t.Helper()
	s, err := rpc.Load(paths)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func method(t testing.TB, s *rpc.Schema, name string) *rpc.Method {
	t.Helper()
	m, err := s.Method(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSchemaOfSource(t *testing.T) {
	t.Parallel()
	s := load(t, "testdata/user/v1/user.proto", "testdata/all.proto")
	if got := s.Services(); !slices.Equal(got, []string{"rpc.test.Everything", "user.v1.UserService"}) {
		t.Errorf("services %q", got)
	}
	m := method(t, s, "user.v1.UserService/GetUser")
	if m.In.Name() != "user.v1.UserRequest" || m.Out.Name() != "user.v1.UserResponse" || m.ClientStreams || m.ServerStreams {
		t.Errorf("got %+v", m)
	}
	rule, is := proto.GetExtension(m.Descriptor.Options(), annotations.E_Http).(*annotations.HttpRule)
	if !is || rule.GetGet() != "/user/{user_id}" {
		t.Errorf("the option is read as %v", rule)
	}
	if m := method(t, s, "user.v1.UserService/WatchUsers"); m.ClientStreams || !m.ServerStreams {
		t.Errorf("got %+v", m)
	}
	if f := s.FileOf("user.v1.UserService"); f == nil || f.Path() != "user/v1/user.proto" {
		t.Errorf("the service is in %v", f)
	}
}

// descriptorSet writes the set of a schema's file with all that it imports.
func descriptorSet(t *testing.T, name string, paths ...string) sluice.Path {
	t.Helper()
	set := &descriptorpb.FileDescriptorSet{}
	for _, path := range paths {
		files, err := rpc.Compile(t.Context(), path, os.DirFS("testdata"))
		if err != nil {
			t.Fatal(err)
		}
		set.File = append(set.File, files...)
	}
	wire, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, wire, 0o600); err != nil {
		t.Fatal(err)
	}
	return sluice.Path(file)
}

func TestSchemaOfSets(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a.binpb", "a.pb", "a.protoset"} {
		s := load(t, descriptorSet(t, name, "user/v1/user.proto", "all.proto"))
		method(t, s, "user.v1.UserService/GetUser")
		method(t, s, "rpc.test.Everything/Both")
	}
	s := load(t, descriptorSet(t, "b.binpb", "user/v1/user.proto"), "testdata/user/v1/user.proto", "testdata/user/v1/kind.proto")
	method(t, s, "user.v1.UserService/GetUser")
}

// A set without its imports has those that are built in.
func TestSetWithoutImports(t *testing.T) {
	t.Parallel()
	files, err := rpc.Compile(t.Context(), "all.proto", os.DirFS("testdata"))
	if err != nil {
		t.Fatal(err)
	}
	own := slices.DeleteFunc(files, func(f *descriptorpb.FileDescriptorProto) bool { return f.GetName() != "all.proto" })
	s, err := rpc.NewSchema(own)
	if err != nil {
		t.Fatal(err)
	}
	method(t, s, "rpc.test.Everything/Echo")
}

func TestUnknownNames(t *testing.T) {
	t.Parallel()
	s := load(t, "testdata/user/v1/user.proto")
	for name, want := range map[string]string{
		"user.v1.UserService/GetUsr":  `unknown method "user.v1.UserService/GetUsr"; did you mean user.v1.UserService/GetUser?`,
		"user.v1.UserServise/GetUser": `unknown service "user.v1.UserServise"; did you mean user.v1.UserService?`,
		"user.v1.UserService/Delete":  `user.v1.UserService has no method "Delete"; want one of GetUser, WatchUsers`,
		"shop.Orders/List":            `unknown service "shop.Orders"; want user.v1.UserService`,
		"GetUser":                     `"GetUser" is not a method; want one such as user.v1.UserService/GetUser`,
		"a/b/c":                       "is not a method",
		"":                            "is not a method",
	} {
		if _, err := s.Method(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", name, err, want)
		}
	}
	in := method(t, s, "user.v1.UserService/GetUser").In
	for name, want := range map[string]string{
		"user_idd":  "did you mean user_id?",
		"something": "user.v1.UserRequest has no field \"something\"; want one of user_id, tenant, kinds",
		"kinds.x":   "kinds holds no one message",
	} {
		if _, err := in.Field(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", name, err, want)
		}
	}
	if f, err := in.Field("userId"); err != nil || f.Name != "user_id" || f.Type() != sluice.Integer {
		t.Errorf("got %+v, %v", f, err)
	}
}

func TestMistakesInFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) sluice.Path {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return sluice.Path(file)
	}
	write("secret.proto", "message Secret {}")
	for _, tt := range []struct {
		path sluice.Path
		want string
	}{
		{write("syntax.proto", "syntax = \"proto3\";\nmessage A {\n  int64 = 1;\n}"), "syntax.proto:3:"},
		{write("type.proto", "syntax = \"proto3\";\nmessage A { Nothing x = 1; }"), "type.proto:2:13"},
		{write("import.proto", "syntax = \"proto3\";\nimport \"nowhere.proto\";"), "import.proto:2:8"},
		{write("below/escape.proto", "syntax = \"proto3\";\nimport \"../secret.proto\";"), "escape.proto:2:8"},
		{write("cycle.proto", "syntax = \"proto3\";\nimport \"cycle.proto\";"), "cycle"},
		{write("deep.proto", "syntax = \"proto3\";\n"+strings.Repeat("message A{", 1000)+strings.Repeat("}", 1000)), "nested deeper than 64"},
		{write("a.txt", ""), "neither a .proto file nor a descriptor set"},
		{write("bad.binpb", "rubbish"), "no descriptor set"},
		{write("empty.binpb", ""), "holds no file"},
		{"testdata/missing.proto", "no such file"},
	} {
		_, err := rpc.Load([]sluice.Path{"testdata/all.proto", tt.path})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "protos[1]") {
			t.Errorf("%s: %v; want %s", tt.path, err, tt.want)
		}
	}
	a, b := write("a/x.proto", "syntax = \"proto3\"; message A {}"), write("b/x.proto", "syntax = \"proto3\"; message B {}")
	if _, err := rpc.Load([]sluice.Path{a, b}); err == nil || !strings.Contains(err.Error(), "two different files x.proto") {
		t.Errorf("two files of one name: %v", err)
	}
	c := write("a/y.proto", "syntax = \"proto3\"; message A {}")
	if _, err := rpc.Load([]sluice.Path{a, c}); err == nil || !strings.Contains(err.Error(), "A") {
		t.Errorf("two messages of one name: %v", err)
	}
}
