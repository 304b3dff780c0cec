// Package config turns YAML files into blocks that know their place, fills structs from them, and reports every
// mistake at once; from the same structs it makes the JSON Schema and the reference.
package config
