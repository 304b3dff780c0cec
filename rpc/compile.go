package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/protoutil"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// maxMistakes is how many mistakes of one file are told at once.
const maxMistakes = 10

// Compile compiles the .proto file of that name, and what it imports, from the first of the folders that has it. All of
// them come back. An error says what is wrong at which line and column of which file.
func Compile(ctx context.Context, name string, folders ...fs.FS) ([]*descriptorpb.FileDescriptorProto, error) {
	var mistakes []error
	note := func(err reporter.ErrorWithPos) error {
		if mistakes = append(mistakes, err); len(mistakes) == maxMistakes {
			return err
		}
		return nil
	}
	c := protocompile.Compiler{
		Resolver:       &resolver{folders: folders},
		MaxParallelism: 1, // so that note is called by one at a time
		Reporter:       reporter.NewReporter(note, nil),
	}
	compiled, err := c.Compile(ctx, name)
	if len(mistakes) > 0 {
		return nil, texts(mistakes)
	}
	if err != nil {
		return nil, texts([]error{err})
	}
	var all []*descriptorpb.FileDescriptorProto
	seen := map[string]bool{}
	var add func(f protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		all = append(all, protoutil.ProtoFromFileDescriptor(f))
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
	}
	for _, f := range compiled {
		add(f)
	}
	return all, nil
}

// texts is the mistakes as one error; the compiler's own errors may hold on to whole files.
func texts(mistakes []error) error {
	lines := make([]string, len(mistakes))
	for i, err := range mistakes {
		if crash, ok := errors.AsType[protocompile.PanicError](err); ok {
			lines[i] = fmt.Sprintf("%s: the compiler failed: %v", crash.File, crash.Value)
			continue
		}
		lines[i] = plain(err)
	}
	return errors.New(strings.Join(lines, "; "))
}

// resolver finds files in folders, and else those that are built in.
type resolver struct {
	folders []fs.FS
	files   atomic.Int64
	bytes   atomic.Int64
}

// FindFileByPath makes it a protocompile.Resolver.
func (r *resolver) FindFileByPath(name string) (protocompile.SearchResult, error) {
	if isStandard(name) {
		found, err := protocompile.WithStandardImports(nothing{}).FindFileByPath(name)
		return found, err
	}
	for _, folder := range r.folders {
		source, err := readSource(folder, name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
			continue
		}
		if err != nil {
			return protocompile.SearchResult{}, err
		}
		if r.files.Add(1) > maxFiles || r.bytes.Add(int64(len(source))) > maxSet {
			return protocompile.SearchResult{}, errors.New("it imports more than fits")
		}
		return protocompile.SearchResult{Source: bytes.NewReader(source)}, nil
	}
	if found, ok := builtIn(name); ok {
		return protocompile.SearchResult{Desc: found}, nil
	}
	return protocompile.SearchResult{}, errors.New("there is no such file")
}

func readSource(folder fs.FS, name string) ([]byte, error) {
	f, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	source, err := readLimited(f, maxSource)
	if err != nil {
		return nil, err
	}
	return source, checkNesting(source)
}

// checkNesting refuses a file that is nested so deep that compiling it takes more than a file may. Braces in comments
// and strings do not count; what is not well formed is left to the compiler.
func checkNesting(source []byte) error {
	depth := 0
	for i := 0; i < len(source); i++ {
		switch c := source[i]; c {
		case '{', '[', '<', '(':
			if depth++; depth > maxNesting {
				return fmt.Errorf("it is nested deeper than %d", maxNesting)
			}
		case '}', ']', '>', ')':
			depth = max(0, depth-1)
		case '"', '\'':
			for i++; i < len(source) && source[i] != c && source[i] != '\n'; i++ {
				if source[i] == '\\' {
					i++
				}
			}
		case '/':
			i = skipComment(source, i)
		}
	}
	return nil
}

// skipComment is the last byte of the comment that starts at i, or i where none does.
func skipComment(source []byte, i int) int {
	rest := source[i:]
	switch {
	case bytes.HasPrefix(rest, []byte("//")):
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			return i + end
		}
		return len(source)
	case bytes.HasPrefix(rest, []byte("/*")):
		if end := bytes.Index(rest[2:], []byte("*/")); end >= 0 {
			return i + 2 + end + 1
		}
		return len(source)
	}
	return i
}

// packageOf is the package that a .proto file names, "" when it names none, also because it cannot be read.
func packageOf(name string, source []byte) string {
	ignore := reporter.NewReporter(func(reporter.ErrorWithPos) error { return nil }, nil)
	file, _ := parser.Parse(name, bytes.NewReader(source), reporter.NewHandler(ignore))
	if file == nil {
		return ""
	}
	for _, d := range file.Decls {
		if p, ok := d.(*ast.PackageNode); ok {
			return string(p.Name.AsIdentifier())
		}
	}
	return ""
}
