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

// settle makes the tables of a shard as soon as it is reached. Only a mistake ends it, or ctx.
func (b *backend) settle(ctx context.Context, env *sluice.Env, i int) {
	s := b.shards[i]
	defer close(s.settled)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		s.err = b.make(ctx, env, i)
		if s.err == nil {
			s.usable.Store(true)
			return
		}
		if ctx.Err() != nil {
			s.err = ctx.Err()
			return
		}
		if !b.dialect.passing(s.err) {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait/2 + rand.N(wait)):
		}
	}
}

// make makes the tables of a shard and fills them. Other shards wait for the first one's migrations: what goes wrong
// there goes wrong on none of them.
func (b *backend) make(ctx context.Context, env *sluice.Env, i int) error {
	s, w := b.shards[i], b.where
	if err := s.wait(ctx, s.reached); err != nil {
		return err
	}
	if w.MigrationFiles != "" && (w.Migrate == "on_start" || env.Dry) {
		if i > 0 {
			if err := b.shards[0].canary(ctx); err != nil {
				return err
			}
		}
		if err := b.migrate(ctx, env, s); err != nil {
			return err
		}
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

// canary waits until the first shard has its tables.
func (s *shard) canary(ctx context.Context) error {
	if err := s.wait(ctx, s.settled); err != nil {
		return err
	}
	if s.err != nil {
		return errors.New("the first shard could not be made")
	}
	return nil
}

func (s *shard) wait(ctx context.Context, done <-chan struct{}) error {
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
}

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
	return &scriptError{script: s, message: m.message, offset: m.offset}
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
