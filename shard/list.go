package shard

import (
	"fmt"
	"slices"
	"strings"
)

// List says on which shard each value lives, by name: for regions, where the place is a matter of law and not of a hash.
type List struct {
	names     []string
	values    map[string]int
	otherwise int
}

// NewList places values on shards. What is not listed lives on otherwise; if that is empty it lives nowhere.
func NewList(shards []string, values map[string]string, otherwise string) (*List, error) {
	names, err := sorted(shards)
	if err != nil {
		return nil, err
	}
	l := &List{names: names, values: make(map[string]int, len(values)), otherwise: -1}
	index := func(name string) (int, error) {
		if i, ok := slices.BinarySearch(names, name); ok {
			return i, nil
		}
		return 0, fmt.Errorf("%q is no shard; want one of %s", name, strings.Join(names, ", "))
	}
	for value, name := range values {
		if l.values[value], err = index(name); err != nil {
			return nil, fmt.Errorf("the value %q: %w", value, err)
		}
	}
	if otherwise != "" {
		if l.otherwise, err = index(otherwise); err != nil {
			return nil, fmt.Errorf("the other values: %w", err)
		}
	}
	return l, nil
}

// Names are the shards, sorted. The caller must not change them.
func (l *List) Names() []string { return l.names }

// Shard is where a value lives, as the index of its name in Names. False is nowhere: the caller must not ask all shards
// instead. It allocates nothing.
func (l *List) Shard(value []byte) (int, bool) {
	if i, ok := l.values[string(value)]; ok {
		return i, true
	}
	return l.otherwise, l.otherwise >= 0
}
