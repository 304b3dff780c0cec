package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
)

// said is a log handler that hears from goose which statements it runs: its errors do not say.
type said struct {
	source string
	texts  []string // those of source so far, the last one under way
}

// Enabled hears all.
func (s *said) Enabled(context.Context, slog.Level) bool { return true }

// Handle keeps a statement.
func (s *said) Handle(_ context.Context, r slog.Record) error {
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
func (s *said) WithAttrs([]slog.Attr) slog.Handler { return s }

// WithGroup is s.
func (s *said) WithGroup(string) slog.Handler { return s }

// fault is the error of a migration, with its place in the file.
func (m *Migrations) fault(part *goose.PartialError, heard *said) error {
	name := path.Base(part.Failed.Source.Path)
	var server *pgconn.PgError
	if !errors.As(part.Err, &server) {
		return fmt.Errorf("%s: %w", name, part.Err)
	}
	e := &Error{Server: name, Code: server.Code, Message: server.Message, Detail: server.Detail, Hint: server.Hint, Schema: server.SchemaName,
		Table: server.TableName, Column: server.ColumnName, Constraint: server.ConstraintName, Offset: -1}
	text, err := fs.ReadFile(m.files, part.Failed.Source.Path)
	if err != nil || heard.source != name || len(heard.texts) == 0 {
		return e
	}
	last := heard.texts[len(heard.texts)-1]
	at := max(0, offset(last, int(server.Position)))
	// Goose gives lines without the carriage return.
	if line, column := heard.place(strings.ReplaceAll(string(text), "\r\n", "\n"), part.Failed.Direction, at); line > 0 {
		e.Server = fmt.Sprintf("%s:%d:%d", name, line, column)
	}
	return e
}

// place is the line and the column, from 1, of a byte of the last statement in the text of the file; 0 if the statement
// does not stand there as it was run.
func (s *said) place(text, direction string, at int) (line, column int) {
	start := 0
	if direction == "down" {
		start = max(0, downSection(text))
	}
	end := start
	for _, statement := range s.texts {
		next := strings.Index(text[end:], statement)
		if next < 0 {
			return 0, 0
		}
		start = end + next
		end = start + len(statement)
	}
	before := text[:start+at]
	return strings.Count(before, "\n") + 1, len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
}

// downSection is where in a file the section begins that takes a migration back, as goose reads it; -1 if there is none.
func downSection(text string) int { return annotation(text, "Down") }

func hasAnnotation(text string, words ...string) bool { return annotation(text, words...) >= 0 }

// annotation is where a line of goose's begins, such as "-- +goose Down", or -1.
func annotation(text string, words ...string) int {
	at := 0
	for line := range strings.Lines(text) {
		found := strings.Fields(strings.ReplaceAll(line, "--", " "))
		if strings.HasPrefix(line, "--") && len(found) > 0 && found[0] == "+goose" && slices.EqualFunc(found[1:], words, strings.EqualFold) {
			return at
		}
		at += len(line)
	}
	return -1
}
