package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/sluiceapi/sluice"
)

// What one file, and all that a schema is made of, may take. The largest public APIs stay far below.
const (
	maxSource = 4 << 20
	maxSet    = 64 << 20
	maxFiles  = 10_000
	// maxNesting is how deep declarations and values may be nested in a file; protoc takes messages 32 deep.
	maxNesting = 64
)

// Load makes a schema from files: .proto files, which are compiled here, and descriptor sets, as protoc
// --descriptor_set_out and buf build make them. Each mistake is a *sluice.FieldError of the field protos[i].
//
// What a .proto file imports is sought below its own folder or, where the file lies in a folder that its package names
// (user/v1 for the package user.v1), below the folder that this starts in. Nothing outside of these is read.
func Load(paths []sluice.Path) (*Schema, error) {
	var all []*descriptorpb.FileDescriptorProto
	var errs []error
	for i, p := range paths {
		files, err := load(string(p))
		if err != nil {
			errs = append(errs, sluice.At(fmt.Sprintf("protos[%d]", i), err))
			continue
		}
		all = append(all, files...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s, err := NewSchema(all)
	return s, sluice.At("protos", err)
}

func load(file string) ([]*descriptorpb.FileDescriptorProto, error) {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".proto":
		return loadSource(file)
	case ".binpb", ".pb", ".protoset", ".protobin", ".bin", ".desc":
		return loadSet(file)
	}
	return nil, fmt.Errorf("%q is neither a .proto file nor a descriptor set; want a name that ends in .proto, .binpb, .pb or .protoset", filepath.Base(file))
}

func loadSet(file string) ([]*descriptorpb.FileDescriptorProto, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the descriptor set: %w", err)
	}
	defer f.Close()
	wire, err := readLimited(f, maxSet)
	if err != nil {
		return nil, fmt.Errorf("read the descriptor set: %w", err)
	}
	return ParseSet(wire)
}

// ParseFile reads one file of a descriptor set.
func ParseFile(wire []byte) (*descriptorpb.FileDescriptorProto, error) {
	f := &descriptorpb.FileDescriptorProto{}
	if err := (proto.UnmarshalOptions{RecursionLimit: maxNesting}).Unmarshal(wire, f); err != nil {
		return nil, fmt.Errorf("it is no file of descriptors: %s", plain(err))
	}
	return f, nil
}

// ParseSet reads a descriptor set.
func ParseSet(wire []byte) ([]*descriptorpb.FileDescriptorProto, error) {
	set := &descriptorpb.FileDescriptorSet{}
	if err := (proto.UnmarshalOptions{RecursionLimit: maxNesting}).Unmarshal(wire, set); err != nil {
		return nil, fmt.Errorf("it is no descriptor set: %s", plain(err))
	}
	if len(set.File) == 0 {
		return nil, errors.New("the descriptor set holds no file")
	}
	if len(set.File) > maxFiles {
		return nil, fmt.Errorf("the descriptor set holds %d files; want at most %d", len(set.File), maxFiles)
	}
	return set.File, nil
}

func loadSource(file string) ([]*descriptorpb.FileDescriptorProto, error) {
	dir, name := filepath.Split(file)
	if dir == "" {
		dir = "."
	}
	own, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	defer own.Close()
	source, err := readSource(own.FS(), name)
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	folders := []fs.FS{own.FS()}
	if top, below := split(dir, packageOf(name, source)); below != "" {
		above, err := os.OpenRoot(top)
		if err != nil {
			return nil, fmt.Errorf("read the folder that the file's package starts in: %w", err)
		}
		defer above.Close()
		folders, name = []fs.FS{above.FS(), own.FS()}, path.Join(below, name)
	}
	return Compile(context.Background(), name, folders...)
}

// split splits the part from a folder that a package names; below is "" where it names none of it.
func split(dir, pkg string) (top, below string) {
	whole, err := filepath.Abs(dir)
	if err != nil || pkg == "" {
		return dir, ""
	}
	below = strings.ReplaceAll(pkg, ".", "/")
	top, found := strings.CutSuffix(filepath.ToSlash(whole), "/"+below)
	if !found {
		return dir, ""
	}
	return filepath.FromSlash(top + "/"), below
}

// readLimited reads all of what is not longer than the limit.
func readLimited(r io.Reader, limit int64) ([]byte, error) {
	p, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(p)) > limit {
		err = fmt.Errorf("it is larger than %s", sluice.Size(limit))
	}
	return p, err
}
