package battery

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// message is a message of HTTP/1.1 as it stood on the wire, but for the framing of its body.
type message struct {
	start   string   // the first line
	fields  []string // the lines of the header, in their order
	body    []byte
	trailer []string
	chunked bool
}

// errMalformed is for what this side sent that is not HTTP to the letter.
var errMalformed = errors.New("malformed")

// readMessage reads a message that must be HTTP to the letter, as a proxy has to send it: CRLF, one space behind each
// colon, no white space at an end, framing that is in no doubt. bodiless has no body, whatever its header says; an answer without framing
// ends with its connection.
func readMessage(r *bufio.Reader, bodiless func(start string) bool) (*message, error) {
	start, err := readLine(r)
	if err != nil {
		return nil, err
	}
	m := &message{start: start}
	if m.fields, err = readFields(r); err != nil {
		return m, err
	}
	lengths, codings := m.values("Content-Length"), m.values("Transfer-Encoding")
	switch {
	case len(lengths)+len(codings) > 1:
		return m, fmt.Errorf("%w: framed by %q and %q", errMalformed, lengths, codings)
	case bodiless(start):
	case len(codings) == 1:
		return m, m.readChunks(r, codings[0])
	case len(lengths) == 1:
		n, err := strconv.ParseUint(lengths[0], 10, 31)
		if err != nil {
			return m, fmt.Errorf("%w: length %q", errMalformed, lengths[0])
		}
		m.body = make([]byte, n)
		_, err = io.ReadFull(r, m.body)
		return m, err
	case strings.HasPrefix(start, "HTTP/"):
		m.body, err = io.ReadAll(r)
		return m, err
	}
	return m, nil
}

// noRequestBody is bodiless for requests.
func noRequestBody(string) bool { return false }

// noAnswerBody is bodiless for the answers to a method.
func noAnswerBody(method string) func(start string) bool {
	return func(start string) bool {
		status := statusOf(start)
		return method == "HEAD" || status < 200 || status == 204 || status == 304
	}
}

// statusOf is the status of an answer's first line, zero when it is none.
func statusOf(start string) int {
	if len(start) < 12 || start[:7] != "HTTP/1." {
		return 0
	}
	status, _ := strconv.Atoi(start[9:12])
	return status
}

func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		if line != "" && err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return "", err
	}
	text, found := strings.CutSuffix(line, "\r\n")
	if !found || strings.ContainsAny(text, "\r\x00") {
		return "", fmt.Errorf("%w: the line %q", errMalformed, line)
	}
	return text, nil
}

func readFields(r *bufio.Reader) (lines []string, err error) {
	for {
		line, err := readLine(r)
		if err != nil || line == "" {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return lines, err
		}
		name, value, found := strings.Cut(line, ":")
		if !found || name == "" || strings.ContainsFunc(name, func(c rune) bool { return c > 0x7f || !isTokenByte(byte(c)) }) ||
			value != "" && value != " "+strings.Trim(value, " \t") {
			return lines, fmt.Errorf("%w: the field %q", errMalformed, line)
		}
		lines = append(lines, line)
	}
}

func (m *message) readChunks(r *bufio.Reader, coding string) error {
	m.chunked = true
	if coding != "chunked" {
		return fmt.Errorf("%w: the coding %q", errMalformed, coding)
	}
	for {
		line, err := readLine(r)
		if err != nil {
			return unexpected(err)
		}
		size, err := strconv.ParseUint(line, 16, 31)
		if err != nil || strings.HasPrefix(line, "+") {
			return fmt.Errorf("%w: the chunk's size %q", errMalformed, line)
		}
		if size == 0 {
			m.trailer, err = readFields(r)
			return err
		}
		data := make([]byte, size+2)
		n, err := io.ReadFull(r, data)
		m.body = append(m.body, data[:min(n, int(size))]...)
		if err != nil {
			return unexpected(err)
		}
		if !bytes.HasSuffix(data, []byte("\r\n")) {
			return fmt.Errorf("%w: behind a chunk stands %q", errMalformed, data[size:])
		}
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// values are those of all fields of a name, in any case.
func (m *message) values(name string) (all []string) {
	for _, line := range m.fields {
		if n, value, _ := strings.Cut(line, ":"); strings.EqualFold(n, name) {
			all = append(all, strings.TrimSpace(value))
		}
	}
	return all
}

// take removes all fields of a name and gives their values.
func (m *message) take(name string) []string {
	all := m.values(name)
	m.fields = slices.DeleteFunc(m.fields, func(line string) bool {
		n, _, _ := strings.Cut(line, ":")
		return strings.EqualFold(n, name)
	})
	return all
}

// perHop are the fields that each hop makes anew. Their place is of no account, so they are compared behind the others,
// in this order.
var perHop = []string{"Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "TE"}

// text is the message with the fields of the hop last, and the body without its framing. loose has names compare without
// case and fields of different names in any order, which is all that net/http keeps.
func (m *message) text(loose bool) string {
	c := &message{fields: slices.Clone(m.fields)}
	var hop []string
	for _, name := range perHop {
		for _, value := range c.take(name) {
			hop = append(hop, name+": "+value)
		}
	}
	fields, trailer := c.fields, slices.Clone(m.trailer)
	if loose {
		fields, trailer = loosen(fields), loosen(trailer)
	}
	parts := slices.Concat([]string{m.start}, fields, hop, []string{"", string(m.body)})
	if len(trailer) > 0 {
		parts = slices.Concat(parts, []string{"-- trailer"}, trailer)
	}
	return strings.Join(parts, "\r\n")
}

// loosen puts lines in the order of their names, in lower case; those of one name keep theirs.
func loosen(lines []string) []string {
	lines = slices.Clone(lines)
	for i, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		lines[i] = strings.ToLower(name) + ":" + value
	}
	slices.SortStableFunc(lines, func(a, b string) int {
		a, _, _ = strings.Cut(a, ":")
		b, _, _ = strings.Cut(b, ":")
		return strings.Compare(a, b)
	})
	return lines
}
