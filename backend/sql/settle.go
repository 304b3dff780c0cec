package sql

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
)

// backoff is the time between tries: it doubles from 50 ms to 2 s, and varies by half so that nodes do not try at once.
type backoff struct{ next time.Duration }

func newBackoff() *backoff { return &backoff{50 * time.Millisecond} }

// wait waits until the next try, or returns false at the end of ctx.
func (b *backoff) wait(ctx context.Context) bool {
	timer := time.NewTimer(b.next/2 + rand.N(b.next))
	defer timer.Stop()
	b.next = min(2*b.next, 2*time.Second)
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// settle makes the tables of a shard as soon as it is reached. Only a mistake ends it, or the backend's end.
func (b *backend) settle(env *sluice.Env, i int) {
	s := b.shards[i]
	defer func() {
		if s.err != nil {
			b.ballot.spoil()
		}
		close(s.settled)
	}()
	for again := newBackoff(); ; {
		s.err = b.make(b.ctx, env, i)
		switch {
		case s.err == nil:
			s.usable.Store(true)
			return
		case b.ctx.Err() != nil:
			s.err = b.ctx.Err()
			return
		case !b.dialect.passing(s.err):
			return
		}
		b.passing(s, s.err)
		if !again.wait(b.ctx) {
			s.err = b.ctx.Err()
			return
		}
	}
}

// make makes the tables of a shard and fills them.
func (b *backend) make(ctx context.Context, env *sluice.Env, i int) error {
	s, w := b.shards[i], b.where
	if err := await(ctx, s.reached); err != nil {
		return err
	}
	if err := s.crowded(max(1, env.Nodes)); err != nil {
		return sluice.At("pool.max", err)
	}
	if w.MigrationFiles != "" && (w.Migrate == "on_start" || env.Dry) {
		if err := b.canary(ctx, s); err != nil {
			return err
		}
		if err := b.migrate(ctx, env, s); err != nil {
			return err
		}
	}
	select {
	case <-s.migrated: // at an earlier try
	default:
		close(s.migrated)
	}
	if err := b.openSlots(ctx, env, i); err != nil {
		return s.at(err)
	}
	if w.Seed == "" {
		return s.runSchema(ctx, w)
	}
	// A seed may write for longer than others wait for the file, so it has a lock of its own.
	return s.alone(ctx, func() error {
		if err := s.runSchema(ctx, w); err != nil {
			return err
		}
		return b.seed(ctx, env, s)
	})
}

// errCanary is that of shards which were left alone, for something is wrong with another one.
var errCanary = errors.New("another shard could not be made")

// canary has all shards wait until the migrations are applied to the first: what goes wrong there goes wrong on none of
// the others.
func (b *backend) canary(ctx context.Context, s *shard) error {
	first := b.shards[0]
	if s == first {
		return nil
	}
	select {
	case <-first.migrated:
		return nil
	case <-first.settled:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-first.migrated: // both
		return nil
	default:
		return errCanary
	}
}

// await waits until something is done, or ctx ends.
func await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *shard) runSchema(ctx context.Context, w *Where) error {
	if w.Schema == "" {
		return nil
	}
	err := s.transact(ctx, []script{{text: w.Schema}}, false)
	if placed, ok := errors.AsType[*scriptError](err); ok {
		return &sluice.FieldError{Field: "schema", Offset: placed.offset + 1, Err: errors.New(placed.message)}
	}
	return sluice.At("schema", err)
}

// scriptError is a mistake in a script.
type scriptError struct {
	script  script
	message string
	offset  int
	cause   error
}

// Unwrap is what the database said: it may pass.
func (e *scriptError) Unwrap() error { return e.cause }

// Error names the place in the script.
func (e *scriptError) Error() string {
	if e.script.name == "" {
		return e.message
	}
	return e.script.name + ":" + lineColumn(e.script.text, e.offset) + ": " + e.message
}

// place says where in the script an error stands, if the database knows.
func (s script) place(err error, read func(error) (mistake, bool)) error {
	m, ok := read(err)
	if !ok || m.offset < 0 || m.offset > len(s.text) {
		if s.name == "" {
			return err
		}
		return errors.Join(errors.New(s.name), err)
	}
	return &scriptError{script: s, message: m.message, offset: m.offset, cause: err}
}

func (s script) tell() {
	if s.done != nil {
		s.done()
	}
}

// lineColumn is the place of a byte of a text, as LINE:COLUMN.
func lineColumn(text string, offset int) string {
	before := text[:offset]
	line := strings.Count(before, "\n") + 1
	column := len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
	return fmt.Sprintf("%d:%d", line, column)
}
