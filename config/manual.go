package config

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"strings"
)

// manual holds the comments of structs and their fields.
type manual map[string]*typeManual

type typeManual struct {
	text   string
	fields map[string]string
}

var packageLine = regexp.MustCompile(`(?m)^package `)

// newManual reads the comments in Go source, which may be several files one after the other. Source that cannot be
// read is a mistake of whoever wrote the kind, which every test of its manual finds.
func newManual(source string) manual {
	m := manual{}
	starts := packageLine.FindAllStringIndex(source, -1)
	for i, start := range starts {
		end := len(source)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		file, err := parser.ParseFile(token.NewFileSet(), "", source[start[0]:end], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			panic(fmt.Sprintf("config: the source of a manual: %v", err))
		}
		m.read(file)
	}
	return m
}

// read adds the types of a file; of two with one name the first counts.
func (m manual) read(file *ast.File) {
	for _, decl := range file.Decls {
		d, is := decl.(*ast.GenDecl)
		if !is || d.Tok != token.TYPE {
			continue
		}
		for _, spec := range d.Specs {
			t := spec.(*ast.TypeSpec)
			doc := t.Doc
			if doc == nil {
				doc = d.Doc
			}
			entry := &typeManual{text: doc.Text(), fields: map[string]string{}}
			if s, is := t.Type.(*ast.StructType); is {
				entry.read(s)
			}
			if m[t.Name.Name] == nil {
				m[t.Name.Name] = entry
			}
		}
	}
}

func (t *typeManual) read(s *ast.StructType) {
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			t.fields[name.Name] = f.Doc.Text()
		}
	}
}

// typeText is the comment of a type, in which the type is called name.
func (m manual) typeText(t reflect.Type, name string) string {
	entry := m[typeName(t)]
	if entry == nil {
		return ""
	}
	if rest, found := strings.CutPrefix(entry.text, typeName(t)+" "); found {
		return strings.TrimSpace(name + " " + rest)
	}
	return strings.TrimSpace(entry.text)
}

// fieldText is the comment of a field, and behind it what the comment of its struct says after its first sentence, which
// only tells what the struct is. Without a comment of its own it has the whole of its struct's.
func (m manual) fieldText(f *field) string {
	text := ""
	if entry := m[typeName(f.owner)]; entry != nil {
		text = strings.TrimSpace(entry.fields[f.ident])
	}
	t := innermost(f.typ)
	if t.Kind() != reflect.Struct || t.PkgPath() != f.owner.PkgPath() {
		return text
	}
	of := m.typeText(t, "This")
	switch {
	case text != "":
		return text + afterFirst(of)
	case t == indirect(f.typ):
		return of
	}
	return ""
}

// innermost is the type of the entries of a list or map, or t.
func innermost(t reflect.Type) reflect.Type {
	for {
		t = indirect(t)
		switch formOf(t) {
		case formList:
			t = t.Elem()
		case formMap:
			t = element(t)
		default:
			return t
		}
	}
}

var fullStop = regexp.MustCompile("\\.(?:\n\n|\\s+[A-Z`])")

// afterFirst is what stands behind the first sentence of a text, with the space between.
func afterFirst(text string) string {
	if at := fullStop.FindStringIndex(text); at != nil {
		return text[at[0]+1:]
	}
	return ""
}

// typeName is the name of a type without its type parameters.
func typeName(t reflect.Type) string {
	name, _, _ := strings.Cut(t.Name(), "[")
	return name
}

// paragraph is the text with its lines joined, apart from lines that are set off.
func paragraph(text string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(text, "\n\n") {
		if b.Len() > 0 {
			b.WriteString("\n\n")
		}
		if strings.HasPrefix(part, "\t") || strings.HasPrefix(part, " ") {
			b.WriteString(part)
			continue
		}
		b.WriteString(strings.Join(strings.Fields(part), " "))
	}
	return b.String()
}
