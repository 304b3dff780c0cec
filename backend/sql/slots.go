package sql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sluiceapi/sluice"
	slots "github.com/sluiceapi/sluice/shard"
)

// slotTable holds, on every shard, where each slot is.
const slotTable = "CREATE TABLE IF NOT EXISTS sluice_slot (slot INT PRIMARY KEY, shard TEXT NOT NULL, epoch INT NOT NULL, owned BOOLEAN NOT NULL)"

// ballot is how the shards agree on the slot map at start: each says what it holds. One that holds none takes over what
// another holds, and only when none of them holds any is a map made.
type ballot struct {
	mu     sync.Mutex // guards all below
	said   map[int]bool
	void   bool // one of them will never say
	agreed *slots.Map
	voted  chan struct{} // closed and made anew at each vote
}

func newBallot() *ballot { return &ballot{said: make(map[int]bool), voted: make(chan struct{})} }

// spoil says that one of the shards will hold none, for something is wrong with it.
func (b *ballot) spoil() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.void = true
	b.tell()
}

// tell has those that wait look again. mu is held.
func (b *ballot) tell() {
	close(b.voted)
	b.voted = make(chan struct{})
}

// vote says what the i-th shard holds; held is nil for none.
func (b *ballot) vote(i int, held *slots.Map) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.said[i] = true
	b.tell()
	switch {
	case held == nil:
	case b.agreed == nil:
		b.agreed = held
	case !sameSlots(b.agreed, held):
		return errOtherSlots
	}
	return nil
}

var errOtherSlots = errors.New("its slot map (table sluice_slot) is not that of the other shards; want the same on all, or rows would be looked for where they are not")

func sameSlots(a, b *slots.Map) bool {
	for s := range slots.Slot(slots.Slots) {
		if a.Name(s) != b.Name(s) {
			return false
		}
	}
	return a.Epoch() == b.Epoch()
}

// agree is the map that the shards hold or, when all of them have said that they hold none, a new one.
func (b *ballot) agree(ctx context.Context, names []string) (*slots.Map, error) {
	for {
		b.mu.Lock()
		var err error
		switch {
		case b.agreed != nil:
		case len(b.said) == len(names):
			b.agreed, err = slots.Even(names)
		case b.void:
			err = errCanary
		}
		agreed, voted := b.agreed, b.voted
		b.mu.Unlock()
		if agreed != nil || err != nil {
			return agreed, err
		}
		select {
		case <-voted:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// openSlots reads the slot map of a shard, and writes it there at the first start. What it does to the database it does
// alone, for another node may be filling it; it waits for other shards without that, for they wait alike.
func (b *backend) openSlots(ctx context.Context, env *sluice.Env, i int) error {
	if b.split == nil || b.split.by.Hash == "" || env.Dry {
		return nil
	}
	s := b.shards[i]
	var held *slots.Map
	if err := s.alone(ctx, func() (err error) {
		held, err = s.readSlots(ctx)
		return err
	}); err != nil {
		return err
	}
	if err := b.ballot.vote(i, held); err != nil {
		return err
	}
	agreed, err := b.ballot.agree(ctx, b.split.names)
	if err != nil {
		return err
	}
	if err := b.split.take(agreed); err != nil {
		return err
	}
	if held != nil {
		return nil
	}
	if err := s.alone(ctx, func() error { return s.writeSlots(ctx, agreed) }); err != nil {
		return err
	}
	s.log(env).Info("slots noted", "epoch", agreed.Epoch())
	return nil
}

// writeSlots writes a slot map, unless another node has done so.
func (s *shard) writeSlots(ctx context.Context, m *slots.Map) error {
	if err := s.transact(ctx, []script{{text: slotTable + ";\n" + slotRows(m, s.name)}}, false); err != nil {
		return err
	}
	held, err := s.readSlots(ctx)
	if err == nil && (held == nil || !sameSlots(held, m)) {
		return errOtherSlots // the other node's config has other shards
	}
	return err
}

// take makes a map the one by which keys are found.
func (s *split) take(m *slots.Map) error {
	places := make(map[string]uint16)
	for i, name := range s.names {
		places[name] = uint16(i)
	}
	var all [slots.Slots]uint16
	for i := range all {
		place, found := places[m.Name(slots.Slot(i))]
		if !found {
			return fmt.Errorf("slot %d is on the shard %q, which the config does not name; want its address under shards", i, m.Name(slots.Slot(i)))
		}
		all[i] = place
	}
	s.slots.Store(&all)
	return nil
}

// readSlots is the slot map that a shard holds, or nil.
func (s *shard) readSlots(ctx context.Context) (*slots.Map, error) {
	if there, err := s.holds(ctx, "sluice_slot"); err != nil || !there {
		return nil, err
	}
	rows, err := s.query(ctx, "SELECT slot, shard, epoch, CASE WHEN owned THEN 1 ELSE 0 END FROM sluice_slot ORDER BY slot")
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	owners := make([]string, slots.Slots)
	epoch := int64(0)
	for i, row := range rows {
		if i >= len(owners) || row[0] != strconv.Itoa(i) {
			return nil, fmt.Errorf("its slot map (table sluice_slot) has no row, or two, for slot %d", i)
		}
		if owners[i] = row[1]; row[3] == "1" && row[1] != s.name {
			return nil, fmt.Errorf("it is the shard %q, as its slot map (table sluice_slot) says, and stands here as %q; want its own name", row[1], s.name)
		}
		n, err := strconv.ParseInt(row[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("its slot map (table sluice_slot) has the epoch %q", row[2])
		}
		epoch = max(epoch, n)
	}
	if len(rows) < len(owners) {
		return nil, fmt.Errorf("its slot map (table sluice_slot) has no row for slot %d", len(rows))
	}
	names := slices.Compact(slices.Sorted(slices.Values(owners)))
	return slots.NewMap(epoch, names, func(s slots.Slot) string { return owners[s] })
}

func slotRows(m *slots.Map, own string) string {
	var b strings.Builder
	b.WriteString("INSERT INTO sluice_slot (slot, shard, epoch, owned) VALUES ")
	for i := range slots.Slots {
		if i > 0 {
			b.WriteString(", ")
		}
		name := m.Name(slots.Slot(i))
		fmt.Fprintf(&b, "(%d, '%s', %d, %s)", i, name, m.Epoch(), strconv.FormatBool(name == own))
	}
	b.WriteString(" ON CONFLICT (slot) DO NOTHING")
	return b.String()
}
