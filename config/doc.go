// Package config turns YAML files into blocks that know their place, fills structs from them, and reports every
// mistake at once; from the same structs it makes the JSON Schema and the reference.
//
// A struct says with tags what it reads:
//
//	yaml:"name"        the key of the field; a field without this tag, or with "-", is not read
//	yaml:"name,short"  the block may be given as this field's value alone
//	yaml:",rest"       a sluice.Map of the keys that no other field has
//	yaml:",kind"       a []Block of the keys that no other field has, each named by its kind
//	yaml:",kind,bare"  the same, and the block may be given as the name of a kind alone
//	required:"true"    the key must be given, and text and lists must not be empty
//	default:"10s"      the value of a field that was not given and is zero, as YAML would have it; lists take commas
//	enum:"a,b"         the only texts that are taken
//	min:"1" max:"10s"  bounds of a number, a duration or a size
//	names:"header"     what the keys of a sluice.Map must be: name and input follow sluice.ValidName, header is a token
//
// A field is a string, a boolean, a number, a time.Duration, a netip.Prefix, a pointer, a slice or a struct of these,
// a sluice.Map, or a type that reads itself as an encoding.TextUnmarshaler or a json.Unmarshaler. Embedded structs
// without a tag add their fields. A sluice.Resolver is told the folder of the file that it stands in, and a
// sluice.Checker is asked when all its fields are right.
package config
