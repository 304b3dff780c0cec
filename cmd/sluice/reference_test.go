package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/standard"
)

// TestReferenceIsFresh holds that what is made from the comments of the structs was made from those of today.
func TestReferenceIsFresh(t *testing.T) {
	t.Parallel()
	var reference bytes.Buffer
	if err := config.Reference(&reference, standard.Kinds()); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string][]byte{
		"../../docs/reference.md":       reference.Bytes(),
		"../../docs/sluice.schema.json": config.Schema(standard.Kinds()),
	} {
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the structs say; run: make reference", file)
		}
	}
}
