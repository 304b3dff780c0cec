package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strings"

	"github.com/pressly/goose/v3"
)

// statements is a log handler that hears from goose which statements it runs: its errors do not say.
type statements struct {
	source string
	texts  []string // those of source so far, the last one under way
}

// Enabled hears all.
func (s *statements) Enabled(context.Context, slog.Level) bool { return true }

// Handle keeps a statement.
func (s *statements) Handle(_ context.Context, r slog.Record) error {
	var source, text string
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "source":
			source = a.Value.String()
		case "statement":
			text = a.Value.String()
		}
		return true
	})
	if text == "" {
		return nil
	}
	if source != s.source {
		s.source, s.texts = source, nil
	}
	s.texts = append(s.texts, text)
	return nil
}

// WithAttrs is s: the attributes that matter come with each record.
func (s *statements) WithAttrs([]slog.Attr) slog.Handler { return s }

// WithGroup is s.
func (s *statements) WithGroup(string) slog.Handler { return s }

// fault is the error of a migration, with its place in the file.
func (m *Migrations) fault(part *goose.PartialError, said *statements) error {
	name := path.Base(part.Failed.Source.Path)
	err := wrap(name, "", part.Err, nil)
	e, ok := errors.AsType[*Error](err)
	text, readErr := fs.ReadFile(m.files, part.Failed.Source.Path)
	if !ok || readErr != nil || said.source != name {
		return err
	}
	// Goose gives lines without the carriage return.
	if line, column := said.place(strings.ReplaceAll(string(text), "\r\n", "\n"), part.Failed.Direction, m.offset(said, e)); line > 0 {
		e.File = fmt.Sprintf("%s:%d:%d", name, line, column)
	}
	return err
}

// offset is where in the last statement the fault lies, if SQLite says the same of it alone; else its start.
func (m *Migrations) offset(said *statements, e *Error) int {
	_, err := m.db.Prepare(said.texts[len(said.texts)-1])
	if alone, ok := errors.AsType[*Error](err); ok && alone.Message == e.Message {
		return max(0, alone.Offset)
	}
	return 0
}

// place is the line and the column, from 1, of a byte of the last statement in the text of the file; 0 if the statement
// does not stand there as it was run.
func (s *statements) place(text, direction string, offset int) (line, column int) {
	at := 0
	if direction == "down" {
		at = max(0, downSection(text))
	}
	end := at
	for _, statement := range s.texts {
		next := strings.Index(text[end:], statement)
		if next < 0 {
			return 0, 0
		}
		at = end + next
		end = at + len(statement)
	}
	before := text[:at+offset]
	return strings.Count(before, "\n") + 1, len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
}

// downSection is where in a file the section begins that takes a migration back, as goose reads it; -1 if there is none.
func downSection(text string) int {
	at := 0
	for line := range strings.Lines(text) {
		words := strings.Fields(strings.ReplaceAll(line, "--", " "))
		if strings.HasPrefix(line, "--") && len(words) == 2 && words[0] == "+goose" && strings.EqualFold(words[1], "Down") {
			return at
		}
		at += len(line)
	}
	return -1
}
