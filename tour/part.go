package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// part is one of the thirteen.
type part struct {
	name string
	// show returns lines of evidence, of at most lineWidth letters each, or an error when what it claims does not
	// hold. Without it the part is not yet there.
	show func(context.Context, *site) ([]string, error)
}

// The columns: number and name, then evidence; 100 letters in all.
const (
	nameWidth = 27
	lineWidth = 71
)

// walk shows the parts and counts those that hold. Its error names those that were to hold and do not.
func walk(ctx context.Context, s *site, all []part, w io.Writer) error {
	var missing []string
	var errs []error
	held := 0
	for i, p := range all {
		lines, err := []string{"not yet"}, error(nil)
		switch {
		case p.show == nil:
			missing = append(missing, p.name)
		default:
			if lines, err = p.show(ctx, s); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", p.name, err))
				lines = append(lines, "FAILED")
				break
			}
			held++
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		printPart(w, i+1, p.name, lines)
	}
	fmt.Fprintf(w, "\n%d/%d\n", held, len(all))
	for i, line := range wrap(missing, nameWidth+lineWidth-len("missing: ")) {
		fmt.Fprintf(w, "%-9s%s\n", map[bool]string{true: "missing:"}[i == 0], line)
	}
	return errors.Join(errs...)
}

func printPart(w io.Writer, number int, name string, lines []string) {
	head := fmt.Sprintf("%2d  %s", number, name)
	for _, line := range lines {
		fmt.Fprintf(w, "%-*s  %s\n", nameWidth, head, line)
		head = ""
	}
}

// wrap joins words with commas into lines no longer than width where the words allow it.
func wrap(words []string, width int) (lines []string) {
	line := ""
	for i, word := range words {
		if i < len(words)-1 {
			word += ","
		}
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
