package rpc

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// knownOptions is a copy of the file in which options that are built in, such as google.api.http, are read as such,
// whoever made the file.
func knownOptions(f *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	wire, err := proto.MarshalOptions{AllowPartial: true}.Marshal(f)
	if err != nil {
		return f
	}
	known := &descriptorpb.FileDescriptorProto{}
	if err := (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(wire, known); err != nil {
		return f
	}
	return known
}

// types finds types by name: those of a schema, and those that are built in.
type types struct {
	own        *dynamicpb.Types
	extensions map[protoreflect.FullName][]protoreflect.ExtensionDescriptor
}

func newTypes(files *protoregistry.Files) types {
	t := types{own: dynamicpb.NewTypes(files), extensions: map[protoreflect.FullName][]protoreflect.ExtensionDescriptor{}}
	files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		t.addExtensions(f.Extensions())
		t.addMessages(f.Messages())
		return true
	})
	for _, all := range t.extensions {
		slices.SortFunc(all, func(a, b protoreflect.ExtensionDescriptor) int { return cmp.Compare(a.Number(), b.Number()) })
	}
	return t
}

func (t types) addMessages(all protoreflect.MessageDescriptors) {
	for i := range all.Len() {
		t.addExtensions(all.Get(i).Extensions())
		t.addMessages(all.Get(i).Messages())
	}
}

func (t types) addExtensions(all protoreflect.ExtensionDescriptors) {
	for i := range all.Len() {
		of := all.Get(i).ContainingMessage().FullName()
		t.extensions[of] = append(t.extensions[of], all.Get(i))
	}
}

func (t types) extensionsOf(message protoreflect.FullName) []protoreflect.ExtensionDescriptor {
	return t.extensions[message]
}

// FindMessageByName makes types a resolver of protojson.
func (t types) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	if found, err := t.own.FindMessageByName(name); err == nil {
		return found, nil
	}
	return protoregistry.GlobalTypes.FindMessageByName(name)
}

// FindMessageByURL finds the message of an Any: what counts is what stands after the last slash.
func (t types) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	if found, err := t.own.FindMessageByURL(url); err == nil {
		return found, nil
	}
	return protoregistry.GlobalTypes.FindMessageByURL(url)
}

// FindExtensionByName finds an extension by its name.
func (t types) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	if found, err := t.own.FindExtensionByName(name); err == nil {
		return found, nil
	}
	return protoregistry.GlobalTypes.FindExtensionByName(name)
}

// FindExtensionByNumber finds an extension of a message by its number.
func (t types) FindExtensionByNumber(message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	if found, err := t.own.FindExtensionByNumber(message, number); err == nil {
		return found, nil
	}
	return protoregistry.GlobalTypes.FindExtensionByNumber(message, number)
}
