package server

import "unsafe"

// aliasBytes views a string as bytes that must not be written.
func aliasBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// aliasString views bytes as a string that lives only as long as they stay unchanged.
func aliasString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
