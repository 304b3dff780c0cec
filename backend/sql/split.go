package sql

import (
	"fmt"
	"sync/atomic"

	"github.com/sluiceapi/sluice"
	slots "github.com/sluiceapi/sluice/shard"
)

// split finds the shard of a key.
type split struct {
	by *ShardBy
	// names are the shards, in the order of the file.
	names []string
	// slots says which shard each slot is on, by its place in names; nil until the map was read.
	slots atomic.Pointer[[slots.Slots]uint16]
	// list is the place of each listed value, and other that of the rest, or -1.
	list  map[string]int
	other int
}

func newSplit(w *Where) *split {
	s := &split{by: w.ShardBy, other: -1, list: make(map[string]int)}
	places := make(map[string]int)
	for i, e := range w.Shards {
		s.names = append(s.names, e.Name)
		places[e.Name] = i
	}
	for _, e := range w.ShardBy.List {
		s.list[e.Name] = places[e.Value]
	}
	if d := w.ShardBy.Default; d != "" {
		s.other = places[d]
	}
	return s
}

// wanted says what a key must be.
func (s *split) wanted() string {
	switch s.by.Hash {
	case "int8":
		return "want the whole number that says on which shard this is"
	case "uuid":
		return "want the UUID that says on which shard this is"
	case "text":
		return "want the text that says on which shard this is"
	}
	return "want one of the values that say on which shard this is"
}

// find is the place of the key's shard; ok is false for what is no key.
func (s *split) find(key sluice.Value) (at int, ok bool, err error) {
	if s.by.Hash == "" {
		at, ok = s.listed(key)
		return at, ok, nil
	}
	slot, ok := s.slot(key)
	if !ok {
		return 0, false, nil
	}
	places := s.slots.Load()
	if places == nil {
		return 0, true, errLater
	}
	return int(places[slot]), true, nil
}

// slot is the slot of a key by its hash.
func (s *split) slot(key sluice.Value) (slots.Slot, bool) {
	switch s.by.Hash {
	case "int8":
		n, ok := wholeNumber(key)
		return slots.SlotOfInt(n), ok
	case "uuid":
		if key.Type() != sluice.Text {
			return 0, false
		}
		id, err := slots.ParseUUID(key.Bytes())
		return slots.SlotOfUUID(id), err == nil
	}
	switch key.Type() {
	case sluice.Text:
		return slots.SlotOfText(key.Bytes()), true
	case sluice.Integer, sluice.Boolean:
		var space [24]byte
		return slots.SlotOfText(key.AppendText(space[:0])), true
	}
	return 0, false
}

// wholeNumber reads a key that is a number, or text that is one in decimal, as it stands in a path.
func wholeNumber(key sluice.Value) (int64, bool) {
	switch key.Type() {
	case sluice.Integer:
		return key.Int(), true
	case sluice.Text:
		return parseInt(key.Bytes())
	}
	return 0, false
}

// parseInt reads a whole number of 64 bits in the one form that it is written in: no plus, no leading zero.
func parseInt(text []byte) (int64, bool) {
	digits := text
	negative := len(digits) > 0 && digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 19 || digits[0] == '0' && (len(digits) > 1 || negative) {
		return 0, false
	}
	var n uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	switch {
	case negative && n <= 1<<63:
		return -int64(n), true
	case !negative && n < 1<<63:
		return int64(n), true
	}
	return 0, false
}

func (s *split) listed(key sluice.Value) (int, bool) {
	switch key.Type() {
	case sluice.Text, sluice.Integer, sluice.Number, sluice.Boolean:
	default:
		return 0, false
	}
	text := key.Bytes()
	if key.Type() != sluice.Text {
		var space [32]byte
		text = key.AppendText(space[:0])
	}
	if len(text) == 0 {
		return 0, false
	}
	if at, found := s.list[string(text)]; found {
		return at, true
	}
	return s.other, s.other >= 0
}

// place is the shard that an exchange is for. A request without the key is refused, never sent to all.
func (h *handler) place(x *sluice.Exchange) (int, error) {
	if h.split == nil || len(h.shards) == 1 {
		return 0, nil
	}
	at, ok, err := h.split.find(h.key.Value(x))
	switch {
	case !ok:
		return 0, h.noKey
	case err == nil && !h.shards[at].isSettled():
		return 0, errLater // it would only be waited for
	}
	return at, err
}

// errNoKey is the answer to a request without the key of a shard.
func (s *split) errNoKey(key *sluice.Reference) *sluice.Error {
	return &sluice.Error{Code: sluice.BadRequest, Message: "the request does not say what it is about",
		Fields: []sluice.InputError{{Name: key.String(), Message: s.wanted()}}}
}

// checkUse refuses what an endpoint cannot ask of shards.
func (b *backend) checkUse(ep *sluice.Endpoint, use *Use) error {
	if b.split == nil || len(b.shards) == 1 {
		return nil
	}
	if use.Shard.IsZero() && use.Scatter == nil {
		return fmt.Errorf("the backend has %d shards, and it is not told which one a request is for; want shard: and what names it, or scatter: to ask all", len(b.shards))
	}
	if i, ok := use.Shard.Input(); ok {
		if in := &ep.Inputs[i]; !b.split.takes(in.Type) {
			return sluice.At("shard", fmt.Errorf("the shards are found by %s, and %s is declared as %s; want type: %s", b.split.by.Hash, in.Name, in.Type, b.split.typeName()))
		}
	}
	return nil
}

// takes tells whether an input of a type can be a key. A path parameter that is not declared is text, and is read.
func (s *split) takes(t sluice.ValueType) bool {
	switch s.by.Hash {
	case "int8":
		return t == sluice.Integer || t == sluice.Text
	case "uuid":
		return t == sluice.Text
	}
	return t != sluice.Number
}

func (s *split) typeName() string {
	if s.by.Hash == "int8" {
		return "integer"
	}
	return "string"
}
