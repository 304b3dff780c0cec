package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
)

// Block is a piece of YAML named by its kind, not yet filled.
type Block struct {
	// Kind is the key.
	Kind string
	// Path is where the block stands, such as "endpoints.get.sql".
	Path string

	doc  *Document
	node *node
}

// Fill fills a struct from the block over the defaults that stand in it, then calls its Check, and that of the
// structs in it, unless one of their own fields is wrong already. Mistakes go to the document; ok tells that there
// were none. into is a pointer to the struct.
func (b Block) Fill(into any) (ok bool) {
	v := reflect.ValueOf(into).Elem()
	if b.node.isMissing() {
		empty := &node{shape: mapping, source: b.node.source, line: b.node.line, column: b.node.column}
		return filler{b.doc}.value(v, empty, b.Path, &field{})
	}
	return filler{b.doc}.value(v, b.node, b.Path, &field{})
}

// Fingerprint is equal for two blocks with equal content after expansion, and for no others. The folder that paths
// in it are relative to counts as content, and so does the order of keys.
func (b Block) Fingerprint() string {
	h := sha256.New()
	dir, err := filepath.Abs(b.node.source.dir)
	if err != nil {
		dir = b.node.source.dir
	}
	fmt.Fprintf(h, "%q %q ", b.Kind, dir)
	b.node.print(h)
	return hex.EncodeToString(h.Sum(nil))
}

// print writes the content in a form that only equal content has.
func (n *node) print(w io.Writer) {
	switch n.shape {
	case scalar:
		fmt.Fprintf(w, "%s %q ", n.typeOf(), n.text)
	case list:
		fmt.Fprintf(w, "[%d ", len(n.items))
		for _, item := range n.items {
			item.print(w)
		}
	case mapping:
		fmt.Fprintf(w, "{%d ", len(n.entries))
		for _, e := range n.entries {
			fmt.Fprintf(w, "%q ", e.key.text)
			e.value.print(w)
		}
	}
}
