package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/sluiceapi/sluice"
)

// Reference writes the whole language as Markdown: the file's own keys, the grammar of references, every kind, and
// the codes of errors.
func Reference(w io.Writer, kinds []sluice.Kind) error {
	r := &referenceWriter{}
	r.line("# Reference", "", "Every key of a config, made from the same structs and comments that read it. [] stands for an entry of a list, NAME for a name of yours.", "")
	r.file()
	r.files()
	r.expansion()
	r.grammar()
	r.kinds("Policies", sluice.PolicyRole, kinds)
	r.kinds("Backends", sluice.BackendRole, kinds)
	r.codes()
	_, err := io.WriteString(w, r.b.String())
	return err
}

type referenceWriter struct{ b strings.Builder }

func (r *referenceWriter) line(lines ...string) {
	for _, line := range lines {
		r.b.WriteString(line + "\n")
	}
}

// fileManual is the manual of the file's own keys.
func fileManual() manual { return newManual(Manual + "\n" + sluice.InputManual) }

func (r *referenceWriter) file() {
	m := fileManual()
	r.line("## The file", "", markdown(m.typeText(reflect.TypeFor[File](), "The file")), "")
	r.rows(describe(m, reflect.ValueOf(&File{}).Elem()))
}

func (r *referenceWriter) rows(rows []row) {
	if len(rows) == 0 {
		r.line("It has no keys.", "")
		return
	}
	for _, row := range rows {
		text := strings.ReplaceAll(markdown(row.text), "\n", "\n  ")
		r.line(strings.TrimRight(fmt.Sprintf("- `%s`: %s. %s", row.path, row.summary(), text), " "))
	}
	r.line("")
}

func (r *referenceWriter) files() {
	r.line("## Several files", "",
		"`include` takes in more files. Their entries under `backends`, `policies` and `endpoints` stand beside those of the file that names them, and so do their other keys; a name or a key that stands in two of them is a mistake.", "",
		"With several files on the command line the first is the base and each of the others is laid over it. An overlay replaces whole entries under `backends`, `policies` and `endpoints`, and whole keys elsewhere; nothing deeper is merged. What it replaces is neither expanded nor judged. Every path is relative to the file that names it.", "")
}

func (r *referenceWriter) expansion() {
	r.line("## Expansion", "",
		"In any value, `${NAME}` is an environment variable, `${NAME:-default}` one with a default for when it is not set or empty, and `${file:PATH}` the content of a file without its last line break. `$${` is a literal `${`. What is put in is text, whatever it looks like. Keys are not expanded.", "")
}

func (r *referenceWriter) grammar() {
	text := newManual(sluice.ReferenceManual).typeText(reflect.TypeFor[sluice.Reference](), "A reference")
	r.line("## References", "", markdown(text), "")
}

func (r *referenceWriter) kinds(title string, role sluice.Role, kinds []sluice.Kind) {
	r.line("## "+title, "")
	if role == sluice.PolicyRole {
		r.line(markdown(fileManual().typeText(reflect.TypeFor[Policy](), "A policy")), "")
	}
	for _, k := range kinds {
		if k.Role == role {
			r.kind(&k, kinds)
		}
	}
}

func (r *referenceWriter) kind(k *sluice.Kind, kinds []sluice.Kind) {
	m := newManual(k.Source)
	r.line("### "+k.Name, "")
	for _, part := range kindParts(k) {
		if part.title != "" {
			r.line("#### "+part.title, "")
		}
		if text := m.typeText(part.block.Type(), "`"+k.Name+"`"); text != "" {
			r.line(markdown(text), "")
		}
		r.rows(describe(m, part.block))
	}
	if rules := orderRules(k, kinds); len(rules) > 0 {
		for _, rule := range rules {
			r.line("- " + rule)
		}
		r.line("")
	}
}

func (r *referenceWriter) codes() {
	r.line("## Errors", "", "What goes wrong has a code from this list: it decides the HTTP status and the type of the problem (RFC 9457).", "",
		"| code | status | title |", "|---|---|---|")
	for _, c := range sluice.Codes() {
		r.line(fmt.Sprintf("| `%s` | %d | %s |", c, c.Status(), c.Title()))
	}
}

// markdown is a comment as Markdown: text that is set off is code.
func markdown(text string) string {
	var b strings.Builder
	code := false
	for line := range strings.SplitSeq(paragraph(text), "\n") {
		setOff := strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "  ")
		if setOff != code {
			b.WriteString("```\n")
			code = setOff
		}
		b.WriteString(strings.TrimPrefix(line, "\t") + "\n")
	}
	if code {
		b.WriteString("```\n")
	}
	return strings.TrimSpace(b.String())
}
