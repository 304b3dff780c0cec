// Package goosefile reads what goose does not tell of its migration files: where in one a mistake stands, and what its
// annotations say.
package goosefile

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
)

// Heard is a log handler that hears from goose which statements it runs: its errors do not say. Goose must be verbose.
type Heard struct {
	source string
	texts  []string // those of source so far, the last one under way
}

// Enabled hears all.
func (h *Heard) Enabled(context.Context, slog.Level) bool { return true }

// Handle keeps a statement.
func (h *Heard) Handle(_ context.Context, r slog.Record) error {
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
	if source != h.source {
		h.source, h.texts = source, nil
	}
	h.texts = append(h.texts, text)
	return nil
}

// WithAttrs is h: the attributes that matter come with each record.
func (h *Heard) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup is h.
func (h *Heard) WithGroup(string) slog.Handler { return h }

// Place is where the migration stands that failed: the name of its file and, behind colons, the line and the column of the
// mistake, both from 1, where they are known. at gives the byte of the statement that goose ran last at which the mistake
// stands.
func (h *Heard) Place(files fs.FS, failed *goose.MigrationResult, at func(statement string) int) string {
	name := path.Base(failed.Source.Path)
	text, err := fs.ReadFile(files, failed.Source.Path)
	if err != nil || h.source != name || len(h.texts) == 0 {
		return name
	}
	// Goose gives lines without the carriage return.
	line, column := h.place(strings.ReplaceAll(string(text), "\r\n", "\n"), failed.Direction, at(h.texts[len(h.texts)-1]))
	if line == 0 {
		return name
	}
	return fmt.Sprintf("%s:%d:%d", name, line, column)
}

// place is the line and the column, from 1, of a byte of the last statement in the text of the file; 0 if the statement
// does not stand there as it was run.
func (h *Heard) place(text, direction string, at int) (line, column int) {
	start := 0
	if direction == "down" {
		start = max(0, annotation(text, "Down"))
	}
	end := start
	for _, statement := range h.texts {
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

// Says tells whether a file has a line of goose's of those words, such as "Down" or "NO", "TRANSACTION".
func Says(text string, words ...string) bool { return annotation(text, words...) >= 0 }

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
