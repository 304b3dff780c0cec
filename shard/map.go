package shard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Map says on which shard each slot lives. It does not change: whoever moves slots makes another one, of a later epoch.
type Map struct {
	epoch int64
	names []string // sorted
	slots [Slots]uint16
}

// NewMap makes a map from who owns each slot. A shard may own none. The epoch, which tells a newer map from an older one,
// begins with 1.
func NewMap(epoch int64, shards []string, owner func(Slot) string) (*Map, error) {
	if epoch < 1 {
		return nil, fmt.Errorf("the map's epoch is %d; want 1 or more", epoch)
	}
	m := &Map{epoch: epoch}
	var err error
	if m.names, err = sorted(shards); err != nil {
		return nil, err
	}
	for s := range Slot(Slots) {
		name := owner(s)
		i, ok := slices.BinarySearch(m.names, name)
		if !ok {
			return nil, fmt.Errorf("slot %d lives on %q, which is no shard; want one of %s", s, name, strings.Join(m.names, ", "))
		}
		m.slots[s] = uint16(i)
	}
	return m, nil
}

// sorted checks the names of shards and puts them in order, so that a map does not depend on the order of a file.
func sorted(names []string) ([]string, error) {
	if len(names) == 0 || len(names) > Slots {
		return nil, fmt.Errorf("there are %d shards; want 1 to %d", len(names), Slots)
	}
	names = slices.Sorted(slices.Values(names))
	for i, name := range names {
		if name == "" || !utf8.ValidString(name) {
			return nil, fmt.Errorf("%q is no name of a shard; want text", name)
		}
		if i > 0 && name == names[i-1] {
			return nil, fmt.Errorf("there are two shards of the name %s; want one", name)
		}
	}
	return names, nil
}

// Even makes the first map: every shard gets a range of slots, in the order of the names, and no two ranges differ by
// more than one slot. The same names make the same map, in whatever order they come.
func Even(shards []string) (*Map, error) {
	names, err := sorted(shards)
	if err != nil {
		return nil, err
	}
	return NewMap(1, names, func(s Slot) string { return names[int(s)*len(names)/Slots] })
}

// Epoch is larger in a newer map.
func (m *Map) Epoch() int64 { return m.epoch }

// Names are the shards, sorted. The caller must not change them.
func (m *Map) Names() []string { return m.names }

// Shard is where a slot lives, as the index of its name in Names.
func (m *Map) Shard(s Slot) int { return int(m.slots[s%Slots]) }

// Name is the name of the shard on which a slot lives.
func (m *Map) Name(s Slot) string { return m.names[m.Shard(s)] }

// Range is a run of slots, both ends included.
type Range struct{ First, Last Slot }

// Ranges are the slots that live on a shard, in ascending order, as few ranges as there can be.
func (m *Map) Ranges(shard int) (ranges []Range) {
	for s := range Slot(Slots) {
		switch last := len(ranges) - 1; {
		case m.Shard(s) != shard:
		case last >= 0 && ranges[last].Last == s-1:
			ranges[last].Last = s
		default:
			ranges = append(ranges, Range{s, s})
		}
	}
	return ranges
}

// Count is how many slots live on a shard.
func (m *Map) Count(shard int) (n int) {
	for _, i := range m.slots {
		if int(i) == shard {
			n++
		}
	}
	return n
}

// Move makes the map of the next epoch, in which a range of slots lives on a shard, which may be a new one.
func (m *Map) Move(r Range, shard string) (*Map, error) {
	if r.First > r.Last || r.Last >= Slots {
		return nil, fmt.Errorf("%d-%d is no range of slots; want two of 0 to %d, the lesser first", r.First, r.Last, Slots-1)
	}
	names := m.names
	if !slices.Contains(names, shard) {
		names = append(slices.Clone(names), shard)
	}
	return NewMap(m.epoch+1, names, func(s Slot) string {
		if r.First <= s && s <= r.Last {
			return shard
		}
		return m.Name(s)
	})
}

// Without makes the map of the next epoch without a shard that owns no slot.
func (m *Map) Without(shard string) (*Map, error) {
	i := slices.Index(m.names, shard)
	if i < 0 {
		return nil, fmt.Errorf("there is no shard %s; want one of %s", shard, strings.Join(m.names, ", "))
	}
	if n := m.Count(i); n > 0 {
		return nil, fmt.Errorf("%d slots live on %s; want them moved first", n, shard)
	}
	return NewMap(m.epoch+1, slices.Delete(slices.Clone(m.names), i, i+1), m.Name)
}

// stored is a map as JSON: {"epoch": 1, "shards": [{"name": "eu", "slots": "0-2047"}, {"name": "us", "slots": "2048-4095"}]}.
type stored struct {
	Epoch  int64         `json:"epoch"`
	Shards []storedShard `json:"shards"`
}

type storedShard struct {
	Name  string `json:"name"`
	Slots string `json:"slots"` // as a person would write them: 0-1365,2000,4000-4095
}

// MarshalJSON writes the map such that a database can keep it and a person can read it. Equal maps are equal bytes.
func (m *Map) MarshalJSON() ([]byte, error) {
	out := stored{Epoch: m.epoch}
	for i, name := range m.names {
		var parts []string
		for _, r := range m.Ranges(i) {
			parts = append(parts, r.String())
		}
		out.Shards = append(out.Shards, storedShard{name, strings.Join(parts, ",")})
	}
	return json.Marshal(out)
}

// String is first-last, or the one slot alone.
func (r Range) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// UnmarshalJSON reads what MarshalJSON has written, or a person, and takes nothing in which a slot has no shard, or two.
func (m *Map) UnmarshalJSON(text []byte) error {
	var in stored
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return fmt.Errorf("reading a slot map: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("reading a slot map: more follows it; want it alone")
	}
	var names []string
	var owners [Slots]string
	var owned [Slots]bool
	for _, s := range in.Shards {
		names = append(names, s.Name)
		ranges, err := ParseRanges(s.Slots)
		if err != nil {
			return fmt.Errorf("shard %s: %w", s.Name, err)
		}
		for _, r := range ranges {
			for slot := r.First; slot <= r.Last; slot++ {
				if owned[slot] {
					return fmt.Errorf("slot %d lives on %s and on %s; want one shard", slot, owners[slot], s.Name)
				}
				owners[slot], owned[slot] = s.Name, true
			}
		}
	}
	if _, err := sorted(names); err != nil {
		return err
	}
	if i := slices.Index(owned[:], false); i >= 0 {
		return fmt.Errorf("slot %d lives nowhere; want all of 0 to %d on a shard", i, Slots-1)
	}
	read, err := NewMap(in.Epoch, names, func(s Slot) string { return owners[s] })
	if err != nil {
		return err
	}
	*m = *read
	return nil
}

// ParseRanges reads slots as a person writes them, 0-1365,2000,4000-4095; empty text is none.
func ParseRanges(text string) (ranges []Range, err error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		f, err1 := strconv.ParseUint(first, 10, 16)
		l, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || f > l || l >= Slots {
			return nil, fmt.Errorf("%q is no range of slots; want two of 0 to %d, the lesser first, such as 0-%d, or one", part, Slots-1, Slots-1)
		}
		ranges = append(ranges, Range{Slot(f), Slot(l)})
	}
	return ranges, nil
}
