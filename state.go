package sluice

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"time"
)

// State is what nodes share: cells that count, values that expire, and notices. Memory shares them within one node,
// Redis between all. What keeps them, behind a State, is called the store: so the key on_store_failure says what to do
// without it. Whoever uses a State says that: every call may fail, and does so within the time that the store was given.
// Keys are the user's own; the store adds its prefix. All methods may be called at once.
type State interface {
	Counters
	Values
	Notices
	// Shared tells whether other nodes see it.
	Shared() bool
}

// ErrStore is in the tree of every error of a State whose store cannot be reached, or does not answer in time.
var ErrStore = errors.New("what nodes share cannot be reached")

// Counters are cells that limit how often something happens. Keys are borrowed until a method returns; those of buckets
// and those of windows are apart.
type Counters interface {
	// Take asks a cell of the generic cell rate algorithm (ITU-T I.371; a token bucket) for up to n. The cell's time is
	// the store's own.
	Take(ctx context.Context, key []byte, limit Bucket, n int64) (Taken, error)
	// Count adds n to a counter of a fixed window, unless more than Rate.Count would be counted then: all or nothing.
	Count(ctx context.Context, key []byte, limit Window, n int64) (Taken, error)
}

// CountersAt are Counters within the process, which can be told what time it is: who knows it spares a look at the clock.
type CountersAt interface {
	// TakeAt is Counters.Take at that time.
	TakeAt(now time.Time, key []byte, limit Bucket, n int64) Taken
	// CountAt is Counters.Count at that time.
	CountAt(now time.Time, key []byte, limit Window, n int64) Taken
}

// Bucket is a token bucket: it holds up to Size, and Rate flows in.
type Bucket struct {
	Rate Rate
	Size int64
}

// maxFill and maxCount bound the numbers that cells hold.
const (
	maxFill  = 100 * 365 * 24 * time.Hour
	maxCount = 1 << 40
)

// Check says what is wrong with a bucket that no cell can keep.
func (b Bucket) Check() error {
	switch hi, lo := bits.Mul64(uint64(b.Size), uint64(b.Rate.Per)); {
	case b.Size < 1:
		return errors.New("a bucket that holds nothing")
	case b.Rate.Count < 1 || b.Rate.Count > maxCount || b.Rate.Per < time.Microsecond:
		return fmt.Errorf("%s cannot be counted; want from 1 to 2^40 in a period of a microsecond or more", b.Rate)
	case hi >= uint64(b.Rate.Count):
		return errFill
	default:
		if fill, _ := bits.Div64(hi, lo, uint64(b.Rate.Count)); fill > uint64(maxFill) {
			return errFill
		}
		return nil
	}
}

var errFill = errors.New("a bucket that takes more than 100 years to fill")

// Window is at most Rate.Count in each period of Rate.Per, which starts at a multiple of it since 1970 in UTC.
type Window struct{ Rate Rate }

// Check says what is wrong with a window that no cell can keep.
func (w Window) Check() error { return Bucket{Rate: w.Rate, Size: 1}.Check() }

// Taken is what a cell gave.
type Taken struct {
	// Granted is how many of those asked for; Remaining how many more there are at once.
	Granted, Remaining int64
	// Retry is when the next is there; zero while there is one.
	Retry time.Duration
	// Reset is when the cell is full again, or the window ends.
	Reset time.Duration
}

// Values are bytes under keys, each for a time.
type Values interface {
	// Values are those under the keys, in their order; nil where there is none. They belong to the caller and may be
	// shared: nobody changes them.
	Values(ctx context.Context, keys ...string) ([][]byte, error)
	// SetValue puts a value under a key for a time above zero. Nobody may change the value from then on.
	SetValue(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// AddValue puts a value under a key that has none, and returns what is there then: the value, or the one that was
	// there, whose time goes on. Nobody may change the value from then on.
	AddValue(ctx context.Context, key string, value []byte, ttl time.Duration) ([]byte, error)
	// DeleteValues removes what is under the keys.
	DeleteValues(ctx context.Context, keys ...string) error
	// Next raises the number that stands in decimal as the value under a key by one, and returns it. Where there is no
	// value it starts with the store's time in microseconds since 1970: a store that was emptied goes on above all
	// numbers that it gave before. The value is kept for ttl from then on.
	Next(ctx context.Context, key string, ttl time.Duration) (uint64, error)
}

// Notices are short messages to all nodes, the sender's too. They may be lost, and then a listener is told so.
type Notices interface {
	// Notify sends a notice. It may be heard before Notify returns, and by whoever began to listen before.
	Notify(ctx context.Context, topic string, notice []byte) error
	// Listen has hear called for each notice of a topic, one after the other and in the order of one sender, until stop
	// is called. When notices may have been lost, hear is called with a nil notice as soon as it hears again: also at
	// first. hear must not block, nor call the State or stop. No call of hear begins after stop has returned.
	Listen(topic string, hear func(notice []byte)) (stop func())
}
