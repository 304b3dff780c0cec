package command

import _ "embed"

// starter is what init writes.
//
//go:embed starter.yaml
var starter string
