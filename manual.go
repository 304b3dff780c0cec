package sluice

import _ "embed"

// InputManual is the Go source of Input: its comments are the manual of an endpoint's inputs.
//
//go:embed endpoint.go
var InputManual string

// ReferenceManual is the Go source of Reference: its comment holds the grammar of references.
//
//go:embed reference.go
var ReferenceManual string
