package config

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/sluiceapi/sluice"
)

// wrapAt is the width of what Explain prints, for a terminal of 80.
const wrapAt = 78

// Explain prints the manual entry of a kind: what it does, every key with its type, default and comment, and what of
// the other kinds it must stand before and after.
func Explain(w io.Writer, k *sluice.Kind, kinds []sluice.Kind) error {
	m := newManual(k.Source)
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n", k.Name, k.Role)
	for _, part := range kindParts(k) {
		t := part.block.Type()
		b.WriteString("\n")
		if part.title != "" {
			b.WriteString(strings.ToUpper(part.title) + "\n\n")
		}
		if text := m.typeText(t, k.Name); text != "" {
			b.WriteString(wrap(paragraph(text), "") + "\n\n")
		}
		explainRows(&b, describe(m, part.block))
	}
	if rules := orderRules(k, kinds); len(rules) > 0 {
		b.WriteString("\nORDER\n\n")
		for _, rule := range rules {
			b.WriteString(wrap(rule, "  ") + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func explainRows(b *strings.Builder, rows []row) {
	if len(rows) == 0 {
		b.WriteString("It has no keys.\n")
	}
	for i, r := range rows {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(b, "  %s: %s\n", r.path, r.summary())
		if r.text != "" {
			b.WriteString(wrap(paragraph(r.text), "      ") + "\n")
		}
	}
}

// kindPart is one block of a kind: that of a policy, or those of a backend under backends and in an endpoint.
type kindPart struct {
	title string
	block reflect.Value
}

func kindParts(k *sluice.Kind) []kindPart {
	use := kindPart{block: reflect.ValueOf(k.NewUse()).Elem()}
	if k.Role == sluice.PolicyRole {
		return []kindPart{use}
	}
	use.title = "In an endpoint"
	if k.Standalone {
		return []kindPart{use}
	}
	return []kindPart{{"Under backends", reflect.ValueOf(k.NewWhere()).Elem()}, use}
}

// orderRules are the rules of a kind on its place in a list, and what else is special about it. A rule on a kind that
// there is not is left out.
func orderRules(k *sluice.Kind, kinds []sluice.Kind) []string {
	var all []string
	for _, o := range k.Order {
		if !slices.ContainsFunc(kinds, func(other sluice.Kind) bool { return other.Name == o.Kind }) {
			continue
		}
		side := "after"
		if o.Before {
			side = "before"
		}
		all = append(all, fmt.Sprintf("It stands %s %s, because %s.", side, o.Kind, strings.TrimSuffix(o.Why, ".")))
	}
	if k.Authenticates {
		all = append(all, "It finds out who asks: a public endpoint leaves it out of every_endpoint.")
	}
	if k.NeedsCaller {
		all = append(all, "It needs to know who asks: a public endpoint leaves it out of every_endpoint.")
	}
	if k.AnswersPreflight {
		all = append(all, "It answers CORS preflights.")
	}
	return all
}

// wrap breaks the lines of a text and indents them; lines that are set off stay as they are.
func wrap(text, indent string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "  ") {
			b.WriteString(indent + strings.ReplaceAll(line, "\t", "  ") + "\n")
			continue
		}
		width := 0
		for i, word := range strings.Fields(line) {
			switch {
			case i == 0:
				b.WriteString(indent + word)
				width = len(indent)
			case width+1+len(word) > wrapAt:
				b.WriteString("\n" + indent + word)
				width = len(indent)
			default:
				b.WriteString(" " + word)
				width++
			}
			width += len(word)
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Undocumented lists the keys of a kind whose field has no comment in the kind's source, so that a test can refuse
// them.
func Undocumented(k *sluice.Kind) []string {
	m := newManual(k.Source)
	var all []string
	for _, part := range kindParts(k) {
		if m.typeText(part.block.Type(), k.Name) == "" {
			all = append(all, k.Name)
		}
		for _, r := range describe(m, part.block) {
			if r.text == "" {
				all = append(all, r.path)
			}
		}
	}
	return all
}
