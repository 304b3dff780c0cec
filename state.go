package sluice

import (
	"context"
	"errors"
	"time"
)

// State is what nodes share: cells that count, values that expire, and notices. Memory shares them within one node,
// Redis between all. Whoever uses it says what happens without it: every call may fail, and does so within the time
// that the store was given. Keys are the user's own; the store adds its prefix. All methods may be called at once.
type State interface {
	Counters
	Values
	Notices
	// Shared tells whether other nodes see it.
	Shared() bool
}

// ErrStore is in the tree of every error of a State whose store cannot be reached, or does not answer in time.
var ErrStore = errors.New("what nodes share cannot be reached")

// Counters are cells that limit how often something happens.
type Counters interface {
	// Take asks a cell of the generic cell rate algorithm (ITU-T I.371; a token bucket) for up to n. The cell's time is
	// the store's own.
	Take(ctx context.Context, key string, limit Bucket, n int64) (Taken, error)
	// Count adds n to a counter of a fixed window, unless more than max would be counted then: all or nothing.
	Count(ctx context.Context, key string, limit Window, n int64) (Taken, error)
}

// Bucket is a token bucket: it holds up to Size, and Rate flows in.
type Bucket struct {
	Rate Rate
	Size int64
}

// Window is at most Rate.Count in each period of Rate.Per, which starts at a multiple of it since 1970 in UTC.
type Window struct{ Rate Rate }

// Taken is what a cell gave.
type Taken struct {
	// Granted is how many of those asked for; Remaining how many more there are at once.
	Granted, Remaining int64
	// Retry is when the next is there, if none was granted.
	Retry time.Duration
	// Reset is when the cell is full again, or the window ends.
	Reset time.Duration
}

// Values are bytes under keys, each for a time.
type Values interface {
	// Values are those under the keys, in their order; nil where there is none. They belong to the caller and may be
	// shared: nobody changes them.
	Values(ctx context.Context, keys ...string) ([][]byte, error)
	// SetValue puts a value under a key for a time above zero.
	SetValue(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// AddValue puts a value under a key that has none, and returns what is there then: the value, or the one that was
	// there, whose time goes on.
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
	// first. hear must not block. No call of hear begins after stop has returned.
	Listen(topic string, hear func(notice []byte)) (stop func())
}
