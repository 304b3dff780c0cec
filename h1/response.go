package h1

import "github.com/sluiceapi/sluice"

// Response is the header of a response. All bytes are those that it was read from.
type Response struct {
	Head
	Status int
	Fields []sluice.Field
	Roles  []Role // of Fields, in their order
}

// Parse reads a header with the empty line that ends it.
func (r *Response) Parse(b []byte) error {
	r.reset()
	*r = Response{Head: r.Head, Fields: r.Fields[:0], Roles: r.Roles[:0]}
	line, b, err := cutLine(b)
	if err != nil {
		return err
	}
	if err := r.statusLine(line); err != nil {
		return err
	}
	for {
		f, rest, err := cutField(b)
		if err != nil {
			return err
		}
		if f.Name == nil {
			return r.framed()
		}
		if len(r.Fields) == MaxFields {
			return ErrTooLarge
		}
		role := RoleOf(f.Name)
		if role != Content {
			if err := r.frame(role, f.Value); err != nil {
				return err
			}
		}
		r.Fields, r.Roles, b = append(r.Fields, f), append(r.Roles, role), rest
	}
}

var (
	errStatusLine error = Error("no status line of HTTP/1.1")
	errStatus     error = Error("a status that is no number from 100 up")
)

// statusLine reads `HTTP/1.1 200 OK` (RFC 9112, section 4). The space before an empty reason may be missing, as many
// servers leave it out.
func (r *Response) statusLine(line []byte) error {
	const version = "HTTP/1."
	if len(line) < 12 || string(line[:len(version)]) != version || line[7] != '0' && line[7] != '1' || line[8] != ' ' {
		return errStatusLine
	}
	r.Old = line[7] == '0'
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return errStatus
		}
		r.Status = r.Status*10 + int(c-'0')
	}
	if r.Status < 100 || len(line) > 12 && line[12] != ' ' || !plain(line[12:]) {
		return errStatus
	}
	return nil
}

// Bodiless tells whether a final answer to the method has no body, whatever its fields say (RFC 9112, section 6.3).
func (r *Response) Bodiless(method string) bool {
	return method == "HEAD" || r.Status == 204 || r.Status == 304
}
