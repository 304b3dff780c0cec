package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// piece is a stretch of a scalar's text and what it was before expansion. It is literal when it was a $${.
type piece struct {
	start, end       int
	rawStart, rawEnd int
	literal          bool
}

// expand puts variables and files into the scalars of a node. What is put in is text, whatever it looks like.
func (d *Document) expand(n *node, path string) {
	if n.broken {
		return
	}
	for i, item := range n.items {
		d.expand(item, path+"["+strconv.Itoa(i)+"]")
	}
	for _, e := range n.entries {
		d.expand(e.value, joinPath(path, e.key.text))
	}
	if n.shape == scalar && n.pieces == nil && strings.Contains(n.raw, "${") {
		d.expandText(n, path)
	}
}

// maxWrong is how many mistakes in one scalar are told.
const maxWrong = 20

func (d *Document) expandText(n *node, path string) {
	var text strings.Builder
	raw, wrong := n.raw, 0
	for i := 0; i < len(raw); {
		p := piece{start: text.Len(), rawStart: i}
		switch {
		case strings.HasPrefix(raw[i:], "$${"):
			text.WriteString("${")
			p.literal, i = true, i+3
		case strings.HasPrefix(raw[i:], "${"):
			inside, _, found := strings.Cut(raw[i+2:], "}")
			value, err := d.lookUp(n, inside, found)
			if err != nil {
				d.add(n.placeOf(i+1), path, err.Error())
				n.broken = true
				if wrong++; wrong == maxWrong {
					return
				}
			}
			text.WriteString(value)
			i = min(len(raw), i+2+len(inside)+1)
		default:
			text.WriteByte(raw[i])
			i++
			continue
		}
		p.end, p.rawEnd = text.Len(), i
		n.pieces = append(n.pieces, p)
	}
	n.text = text.String()
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// lookUp is what stands for the inside of one ${…}. Its mistakes do not show a default: it may be a secret.
func (d *Document) lookUp(n *node, inside string, closed bool) (string, error) {
	if name, isFile := strings.CutPrefix(inside, "file:"); isFile && closed && name != "" {
		return d.readSecret(n, name)
	}
	name, fallback, hasDefault := strings.Cut(inside, ":-")
	if !closed || !variable.MatchString(name) || strings.Contains(fallback, "${") {
		return "", fmt.Errorf("this is no expansion; want ${NAME}, ${NAME:-default} or ${file:PATH}, or $${ where ${ is meant")
	}
	value, found := d.lookup(name)
	switch {
	case found && (value != "" || !hasDefault):
	case hasDefault:
		value = fallback
	default:
		return "", fmt.Errorf("the environment variable %s is not set; want it set, or a default as in ${%s:-default}", name, name)
	}
	if !utf8.ValidString(value) {
		return "", fmt.Errorf("the environment variable %s is not UTF-8; want text", name)
	}
	return value, nil
}

// readSecret is the content of a file without its last line break; no message shows it.
func (d *Document) readSecret(n *node, name string) (string, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(n.source.dir, name)
	}
	d.addSource(name)
	content, err := readLimited(name, false)
	if err != nil {
		return "", fmt.Errorf("reading %s: %s; want a file there", name, reason(err))
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if !utf8.ValidString(text) {
		return "", fmt.Errorf("reading %s: it is not UTF-8; want text", name)
	}
	n.hidden = true
	d.hide(text)
	return text, nil
}

// hide keeps a text out of messages from here on.
func (d *Document) hide(text string) {
	if text != "" {
		d.hidden = append(d.hidden, text)
	}
}
