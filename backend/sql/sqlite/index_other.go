//go:build !(linux || darwin)

package sqlite

// walIndex is the index of the write-ahead log, where it can be looked at: not here, so nothing is kept.
type walIndex struct{}

type walHeader struct{}

func openIndex(string) *walIndex { return nil }

func (*walIndex) header() walHeader { return walHeader{} }
func (*walIndex) short() bool       { return false }
func (*walIndex) close()            {}
