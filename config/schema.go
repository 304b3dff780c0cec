package config

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/sluiceapi/sluice"
)

// schema is a JSON Schema, or a part of one.
type schema = map[string]any

// Schema is the JSON Schema (2020-12) of the whole language with these kinds, for editors.
func Schema(kinds []sluice.Kind) []byte {
	s := &schemaWriter{kinds: kinds, defs: schema{}}
	root := s.block(reflect.ValueOf(&File{}).Elem(), scope{name: "file", manual: fileManual()})
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "A config of Sluice"
	root["$defs"] = s.defs
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("config: the schema: " + err.Error()) // it holds strings, numbers and maps alone
	}
	return append(text, '\n')
}

type schemaWriter struct {
	kinds []sluice.Kind
	defs  schema
}

// scope is whose structs are being described: the file's own, or those of a kind.
type scope struct {
	name   string
	manual manual
}

// expanded is what any value that is no text may be too: an expansion.
var expanded = schema{"type": "string", "pattern": `\$\{`}

// patterns of texts, each with room for an expansion.
const (
	durationPattern = `^([0-9]+d)?([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))*$|\$\{`
	sizePattern     = `^[0-9]+(\.[0-9]+)?(GiB|MiB|KiB|GB|MB|KB|B)$|\$\{`
	percentPattern  = `^[0-9]+(\.[0-9]+)?%$|\$\{`
	ratePattern     = `^[0-9]+/([0-9].*)?(ns|us|µs|ms|s|m|h|d)$|\$\{`
	namePattern     = `^[A-Za-z_][A-Za-z0-9_-]*$`
	tokenPattern    = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
	namesPattern    = `^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$|\$\{`
)

// field is the schema of a field's value; v holds its default.
func (s *schemaWriter) field(f *field, v reflect.Value, in scope) schema {
	out := s.value(f.typ, f, v, in)
	if text := in.manual.fieldText(f); text != "" {
		out["description"] = paragraph(text)
	}
	if text := defaultText(f, v); text != "" {
		out["default"] = defaultValue(indirect(f.typ), text)
	}
	return out
}

// defaultValue is a default as JSON has it.
func defaultValue(t reflect.Type, text string) any {
	switch formOf(t) {
	case formBool:
		return text == "true"
	case formInt, formUint, formFloat:
		return json.Number(text)
	case formList:
		return strings.Split(text, ",")
	}
	return text
}

// value is the schema of a type.
func (s *schemaWriter) value(t reflect.Type, f *field, v reflect.Value, in scope) schema {
	t = indirect(t)
	switch formOf(t) {
	case formBool:
		return schema{"anyOf": []any{schema{"type": "boolean"}, expanded}}
	case formInt, formUint:
		return schema{"anyOf": []any{number("integer", t, f), expanded}}
	case formFloat:
		return schema{"anyOf": []any{number("number", t, f), expanded}}
	case formJSON:
		return schema{}
	case formList:
		return s.list(t, f, in)
	case formMap:
		return s.names(t, f, in)
	case formStruct:
		return s.reference(t, v, in)
	}
	return text(t, f)
}

func number(kind string, t reflect.Type, f *field) schema {
	out := schema{"type": kind}
	if f.min != "" {
		out["minimum"] = json.Number(f.min)
	} else if formOf(t) == formUint {
		out["minimum"] = 0
	}
	if f.max != "" {
		out["maximum"] = json.Number(f.max)
	}
	if f.enum != nil {
		var all []any
		for _, e := range f.enum {
			all = append(all, json.Number(e))
		}
		out["enum"] = all
	}
	return out
}

// text is the schema of what is written as text.
func text(t reflect.Type, f *field) schema {
	patterns := map[reflect.Type]string{
		durationType:                        durationPattern,
		reflect.TypeFor[sluice.Size]():      sizePattern,
		reflect.TypeFor[sluice.Rate]():      ratePattern,
		reflect.TypeFor[sluice.Percent]():   percentPattern,
		reflect.TypeFor[sluice.Reference](): namesPattern,
	}
	out := schema{"type": "string"}
	switch pattern := patterns[t]; {
	case f.enum != nil:
		return schema{"anyOf": []any{schema{"enum": f.enum}, expanded}}
	case pattern != "":
		out["pattern"] = pattern
	case formOf(t) == formScalar || formOf(t) == formText:
		out["type"] = []string{"string", "number", "boolean"}
	}
	return out
}

func (s *schemaWriter) list(t reflect.Type, f *field, in scope) schema {
	inner := *f
	out := schema{"type": "array", "items": s.value(t.Elem(), &inner, reflect.New(indirect(t.Elem())).Elem(), in)}
	if f.required {
		out["minItems"] = 1
	}
	if f.one {
		return schema{"anyOf": []any{out["items"], out}}
	}
	return out
}

func (s *schemaWriter) names(t reflect.Type, f *field, in scope) schema {
	e := element(t)
	out := schema{"type": "object", "additionalProperties": s.value(e, &field{enum: f.enum, min: f.min, max: f.max}, reflect.New(indirect(e)).Elem(), in)}
	if pattern := map[string]string{"name": namePattern, "input": namePattern, "header": tokenPattern}[f.names]; pattern != "" {
		out["propertyNames"] = schema{"pattern": pattern}
	}
	if f.required {
		out["minProperties"] = 1
	}
	return out
}

// reference is a struct as a reference to its definition, so that a struct may stand in itself.
func (s *schemaWriter) reference(t reflect.Type, v reflect.Value, in scope) schema {
	name := in.name + "." + typeName(t)
	if _, found := s.defs[name]; !found {
		s.defs[name] = schema{}
		if !v.IsValid() || v.Kind() == reflect.Pointer {
			v = reflect.New(t).Elem()
		}
		s.defs[name] = s.whole(v, in)
	}
	return schema{"$ref": "#/$defs/" + name}
}

// whole is the schema of a struct in all the ways that it may be given.
func (s *schemaWriter) whole(v reflect.Value, in scope) schema {
	l := layoutOf(v.Type())
	block := s.block(v, in)
	switch {
	case l.kind != nil && l.kind.bare:
		return schema{"oneOf": []any{s.bare(), block}}
	case l.short != nil:
		return schema{"anyOf": []any{s.field(l.short, v.FieldByIndex(l.short.index), in), block}}
	}
	return block
}

// bare is the name of a policy kind that may stand without a block.
func (s *schemaWriter) bare() schema {
	names := []string{}
	for _, k := range s.kinds {
		if k.Role == sluice.PolicyRole && !hasRequired(reflect.TypeOf(k.NewUse()).Elem()) {
			names = append(names, k.Name)
		}
	}
	return schema{"enum": names}
}

func hasRequired(t reflect.Type) bool {
	return slices.ContainsFunc(layoutOf(t).fields, func(f field) bool { return f.required })
}

// block is the schema of a struct given as a map.
func (s *schemaWriter) block(v reflect.Value, in scope) schema {
	l := layoutOf(v.Type())
	properties := schema{}
	var required []string
	for i := range l.fields {
		f := &l.fields[i]
		properties[f.name] = s.field(f, v.FieldByIndex(f.index), in)
		if f.required {
			required = append(required, f.name)
		}
	}
	out := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if text := in.manual.typeText(v.Type(), "This"); text != "" {
		out["description"] = paragraph(text)
	}
	if required != nil {
		out["required"] = required
	}
	if l.rest != nil {
		inner := s.names(l.rest.typ, l.rest, in)
		out["additionalProperties"] = inner["additionalProperties"]
	}
	if l.kind != nil {
		s.addKinds(properties, v.Type(), l.kind.typ == nestedType)
	}
	if l.kind != nil && len(l.fields) == 0 || l.kind != nil && l.kind.bare {
		out["minProperties"], out["maxProperties"] = 1, 1
	}
	return out
}

// addKinds adds the kinds that can stand in a struct of the file, or in a struct of a kind in whose place of a kind those
// of an endpoint stand.
func (s *schemaWriter) addKinds(properties schema, t reflect.Type, nested bool) {
	for _, k := range s.kinds {
		block, suffix := k.NewUse(), ""
		switch {
		case t == reflect.TypeFor[Backend]() && k.Role == sluice.BackendRole && !k.Standalone:
			block, suffix = k.NewWhere(), ".backend"
		case (nested || t == reflect.TypeFor[Endpoint]()) && k.Role == sluice.BackendRole:
		case t == reflect.TypeFor[Policy]() && k.Role == sluice.PolicyRole:
		default:
			continue
		}
		properties[k.Name] = s.kind(&k, reflect.ValueOf(block).Elem(), k.Role.String()+"."+k.Name+suffix)
	}
}

func (s *schemaWriter) kind(k *sluice.Kind, v reflect.Value, name string) schema {
	if _, found := s.defs[name]; !found {
		s.defs[name] = schema{}
		in := scope{name: name, manual: newManual(k.Source)}
		block := s.whole(v, in)
		if text := in.manual.typeText(v.Type(), k.Name); text != "" {
			block["description"] = paragraph(text)
		}
		if !hasRequired(v.Type()) {
			block = schema{"anyOf": []any{block, schema{"type": "null"}}}
		}
		s.defs[name] = block
	}
	return schema{"$ref": "#/$defs/" + name}
}
