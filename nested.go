package sluice

// Nested is a place in the block of a backend where the block of a backend of any kind stands, named by its kind: a
// field with the tag `yaml:",kind"`. A backend whose block has such places is a Nester, and is given a Handler for each.
type Nested struct {
	// Path is where the struct around the place stands in the config.
	Path string
	// Keys are the keys that may stand beside the kind there.
	Keys []string
	// Blocks are what stands there, by kind, as it was read: there should be one.
	Blocks []NestedBlock
	// Results are the slots of the endpoint's results that the block refers to.
	Results []int
	// Handler answers as the block says, once the block's Backend is opened for the endpoint. It uses the results that
	// Results names, and makes none.
	Handler Handler
}

// NestedBlock is a block as it was read; only who reads configs knows its type.
type NestedBlock struct {
	Kind  string
	Block any
}

// Nester is a block with places where the blocks of other backends stand. The results that they refer to are those that
// it makes itself.
type Nester interface {
	ResultMaker
	// Nested are the places, once the block is filled.
	Nested() []*Nested
}
