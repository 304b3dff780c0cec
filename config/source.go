package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"
)

// maxFile is the most that is read of one file; a config of that size is a mistake.
const maxFile = 8 << 20

// source is one file of YAML.
type source struct {
	// name is the file's name as the user gave it, and dir the folder that its paths are relative to.
	name, dir string
	order     int
	lines     []string
	// widths are the characters of each line, counted when first asked for; last is where rest was asked for last:
	// lines can be very long, and are mostly asked for from left to right.
	widths []int
	last   struct{ line, column, offset int }
}

// width is how many characters a line has.
func (s *source) width(line int) int {
	if s.widths == nil {
		s.widths = make([]int, len(s.lines))
		for i, text := range s.lines {
			s.widths[i] = utf8.RuneCountInString(text)
		}
	}
	return s.widths[line-1]
}

// errTooLarge is what readLimited gives for a file that no one can have meant.
var errTooLarge = errors.New("it is larger than 8 MiB")

// readLimited reads a file. Only one that the user named, not one that a file names, may be a pipe: reading it could
// take forever.
func readLimited(name string, pipes bool) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("it is a folder")
	}
	if !pipes && !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = errTooLarge
	}
	return content, err
}

// reason is why a file could not be read, without its name.
func reason(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "there is no such file"
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// newSource makes the source of a file that has been read, and says where it is not text.
func (d *Document) newSource(name string, content []byte) *source {
	text := strings.TrimPrefix(string(content), "\ufeff")
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSuffix(line, "\r")
	}
	s := &source{name: name, dir: filepath.Dir(name), order: d.order, lines: lines}
	d.order++
	return s
}

// parse reads the YAML of a file. It returns nil after a mistake that leaves nothing to read.
func (d *Document) parse(s *source, content []byte) *node {
	if at, wrong := s.unreadable(); wrong != "" {
		d.add(at, "", wrong)
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(content))
	if err != nil {
		d.add(place{s, 1, 1}, "", err.Error())
		return nil
	}
	var document, second yaml.Node
	if err := loader.Load(&document); err != nil && err != io.EOF {
		d.addSyntax(s, err)
		return nil
	}
	if err := loader.Load(&second); err == nil {
		d.add(place{s, second.Line, second.Column}, "", "a second document in one file; want one, so no line of --- between")
	} else if err != io.EOF {
		d.addSyntax(s, err)
		return nil
	}
	return d.rootOf(s, &document)
}

func (d *Document) rootOf(s *source, document *yaml.Node) *node {
	empty := &node{shape: mapping, source: s, line: 1, column: 1}
	if len(document.Content) == 0 {
		return empty
	}
	r := reader{d: d, source: s, open: map[*yaml.Node]bool{}, told: map[*yaml.Node]bool{}}
	root := r.node(document.Content[0], "", 0)
	switch {
	case root.broken:
		return nil
	case root.isMissing():
		return empty
	}
	if root.shape != mapping {
		d.add(root.place(), "", root.standing()+"; want a map of keys such as sluice, listen, backends and endpoints")
		return nil
	}
	return root
}

// unreadable finds what cannot stand in YAML at all.
func (s *source) unreadable() (at place, wrong string) {
	for i, line := range s.lines {
		if !utf8.ValidString(line) {
			valid := strings.ToValidUTF8(line, "\x00")
			column := utf8.RuneCountInString(valid[:strings.IndexByte(valid, 0)]) + 1
			return place{s, i + 1, column}, "this is not UTF-8; want a text file in UTF-8"
		}
		for j, r := range []rune(line) {
			if what := unwanted(r); what != "" {
				return place{s, i + 1, j + 1}, fmt.Sprintf("%s (U+%04X) stands here; want it written as an escape in double quotes", what, r)
			}
		}
	}
	return place{}, ""
}

// unwanted says what a character is that cannot stand in a file as it is, or "". Some readers of YAML take it for a
// line break, and others do not.
func unwanted(r rune) string {
	switch {
	case r == '\t':
		return ""
	case r == 0x85 || r == 0x2028 || r == 0x2029 || r == '\r':
		return "an unusual line break"
	case r == 0xfeff:
		return "an invisible byte order mark"
	case r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfffe || r == 0xffff:
		return "a control character"
	}
	return ""
}

// rest is the text of a line from a column on.
func (s *source) rest(line, column int) string {
	if line < 1 || line > len(s.lines) {
		return ""
	}
	if s.last.line != line || s.last.column > column {
		s.last.line, s.last.column, s.last.offset = line, 1, 0
	}
	text := s.lines[line-1][s.last.offset:]
	for ; s.last.column < column && text != ""; s.last.column++ {
		_, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		s.last.offset += size
	}
	return text
}

// before is the text of a line up to a column.
func (s *source) before(line, column int) string {
	if line < 1 || line > len(s.lines) {
		return ""
	}
	return strings.TrimSuffix(s.lines[line-1], s.rest(line, column))
}
